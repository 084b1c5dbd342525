"""Ways out of a pipeline's function that are nobody's failure.

They are no `Exception`, for the reason cancellation is none: a pipeline that catches what may go wrong must
not take them for it, and go another way.
"""

from eversince_async.errors import EversinceError


class Leaving(BaseException):
    """The function is left where it is; another run of it comes by here again."""


class Lost(Leaving):
    """Somebody else works on it now."""


class Parked(Leaving):
    """It waits for a person or a time, and who runs it does not.

    Attributes:
        told: What is told of that.
    """

    def __init__(self, told: EversinceError) -> None:
        super().__init__(str(told))
        self.told = told
