"""`python -m eversince_async.cli`, if the `eversince` script is not on the path."""

import sys

from eversince_async.cli import main

sys.exit(main())
