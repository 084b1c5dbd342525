"""Error messages for a person, and the exit code of each error."""

from shlex import quote
from typing import Final

from eversince_async._places import CROWDED, FULL, in_words
from eversince_async._redaction import redact
from eversince_async.cli._addresses import may_be_opened
from eversince_async.cli._exit_codes import ExitCode
from eversince_async.errors import (
    ConfigurationError,
    DownloadFailed,
    EversinceError,
    InDoubt,
    InsufficientCredits,
    InvalidRequest,
    ProjectLimitReached,
    TransportError,
    Unauthorized,
    WaitTimedOut,
)
from eversince_async.journal._sqlite_errors import Passing

_EXITS: Final[tuple[tuple[type[BaseException], ExitCode], ...]] = (
    (InvalidRequest, ExitCode.USAGE),
    (ConfigurationError, ExitCode.CONFIGURATION),
    (Unauthorized, ExitCode.CONFIGURATION),
    (WaitTimedOut, ExitCode.UNFINISHED),
    (DownloadFailed, ExitCode.UNFINISHED),
    (Passing, ExitCode.UNFINISHED),
)
"""The exit codes of errors that are more than a plain failure; the first match counts."""


def exit_code_for(error: BaseException) -> ExitCode:
    """Return the exit code of an error."""
    match error:
        case TransportError(is_local=True):
            return ExitCode.UNFINISHED
        case OSError(errno=number) if number in FULL | CROWDED:
            return ExitCode.UNFINISHED
        case _:
            pass
    return next((code for kind, code in _EXITS if isinstance(error, kind)), ExitCode.FAILED)


def describe_error(error: BaseException) -> str:
    """Describe an error in one line, with advice if there is any."""
    if isinstance(error, EversinceError):
        text = f"{error}{_hint(error)}"
    elif isinstance(error, OSError):
        # "Too many open files" names the file that was opened last, often a module of this package.
        named = f"{error.filename}: " if error.filename and error.errno not in CROWDED else ""
        text = f"{named}{in_words(error)}"
    else:
        text = f"{type(error).__name__}: {redact(str(error))} (a bug in eversince-async; --debug shows where)"
    return " ".join(text.split())


def _hint(error: EversinceError) -> str:
    match error:
        case TransportError(outcome="never_sent", is_local=False):
            return "; check the network and EVERSINCE_BASE_URL, or ask `eversince doctor`"
        case InsufficientCredits():
            return _purchase_links(error)
        case InDoubt(key=str(key)):
            how = f"eversince decide {quote(key)} --made …, or --nothing, and --journal FILE"
            return f"; record what you find: {how}"
        case ProjectLimitReached(daily=True):
            return "; the day's projects are used up, try again tomorrow"
        case _:
            return ""


def _purchase_links(error: InsufficientCredits) -> str:
    left = "" if error.balance is None else f"; {error.balance:g} credits are left"
    offer = next((each for each in error.packages if may_be_opened(each.purchase_url)), None)
    if offer is None:
        return f"{left}; `eversince credits` shows where to buy more"
    label = "" if offer.credits is None else f"{offer.credits:g} credits"
    label += "" if offer.price is None else f" for {offer.price}"
    return f"{left}; buy more: {offer.purchase_url}" + (f" ({label.strip()})" if label else "")
