"""Options that many commands take."""

from typing import Annotated

from cyclopts import Parameter

AsJson = Annotated[bool, Parameter(name="--json", negative=())]
"""Print the result as JSON."""

Debug = Annotated[bool, Parameter(name="--debug", negative=())]
"""Show tracebacks and what is sent. `_dispatch` looks at it."""
