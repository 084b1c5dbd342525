"""Advice about failures, for the person who reads the report."""

from typing import Final

ADVICE: Final = {
    "ProjectFailed": "Read what the agent said. If the brief is at fault, change it under another key; else "
    "run the batch again with retry_failed=True, which makes another project.",
    "ProjectCancelled": "The project was cancelled, here or in the studio. Give the item another key to have "
    "it made after all.",
    "RenderProducedNothing": "Run the batch again with retry_failed=True: the same project is rendered once "
    "more.",
    "ValidationFailed": "The server does not take this item. Correct it, and give it another key.",
    "InvalidRequest": "Nothing was sent. Correct the item, and run the batch again.",
    "SpecChanged": "Give what has changed another key, or go back to what the key was first used for.",
    "BelongsToAnother": "Two items have one idempotency_key, and so one project. Give this one its "
    "own, and another key.",
    "DownloadFailed": "The video is made and paid for. See what keeps it from being written, then run the "
    "batch again with retry_failed=True: only the download is repeated.",
    "UploadRejected": "Check the file: its kind and size are limited.",
    "InsufficientCredits": "Buy credits, then run the same batch again: it goes on where it stopped.",
    "QuotaExhausted": "Run the same batch again when the day is over: it goes on where it stopped.",
    "RateLimited": "Run the same batch again: it goes on where it stopped.",
    "Unauthorized": "Check the API key, then run the same batch again: it goes on where it stopped.",
    "Forbidden": "The account may not do this. Check what it is allowed, then run the batch again, with "
    "retry_failed=True if the item has failed.",
    "QualityRefused": "The account may not render so, and nothing was sent. Render in 1080p, or run the "
    "batch again with retry_failed=True once it may.",
    "NotFound": "The project is not there any more. Run the batch again with retry_failed=True to have "
    "another one made.",
    "WaitTimedOut": "The project goes on at the server. Run the same batch again to wait for it.",
    "InDoubt": "Look where the message says, record what you found by `eversince decide`, and run the same "
    "batch again.",
    "ApprovalPending": "The item waits for an answer: give it by `eversince approve`.",
    "TransportError": "The network broke. Run the same batch again: it goes on where it stopped.",
    "ConnectionFailed": "The network broke. Run the same batch again: it goes on where it stopped.",
    "RequestTimedOut": "The network broke. Run the same batch again: it goes on where it stopped.",
}
"""Advice by the name of the error's class."""

_MISSING: Final = (
    "The video was made and downloaded, and its file was removed since. Run the same batch again with "
    "refetch=True: only the file is fetched."
)


def hint_for(kind: str, status: str) -> str:
    """Return the advice for a failure, in a sentence or two."""
    if status == "succeeded":
        return _MISSING
    known = ADVICE.get(kind)
    if known is not None:
        return known
    if status == "paused":
        return "Run the same batch again: it goes on where it stopped."
    return "Run the batch again with retry_failed=True; if it fails in the same way, change the item."
