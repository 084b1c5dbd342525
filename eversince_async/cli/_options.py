"""Options that many commands take."""

from typing import Annotated

from cyclopts import Parameter

AsJson = Annotated[bool, Parameter(name="--json", negative=())]
"""Print the result as JSON."""

Debug = Annotated[bool, Parameter(name="--debug", negative=())]
"""Show tracebacks and what is sent. `_dispatch` reads this option."""

Yes = Annotated[bool, Parameter(name=["--yes", "-y"], negative=())]
"""Do not ask before credits are spent."""

NoInput = Annotated[bool, Parameter(name="--no-input", negative=())]
"""Never ask; end instead of asking a question."""
