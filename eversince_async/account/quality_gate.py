"""`QualityGate`: items wait while one tries a quality that may be refused."""

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from eversince_async import clock
from eversince_async.account.entitlements import USUAL, Entitlements
from eversince_async.journal import Job, Journal, Json
from eversince_async.journal.redaction import redact_for_resend


class QualityGate:
    """The gate where one item tries a quality before others are paid.

    Args:
        entitlements: The server's answers to the account's renders so far.
    """

    def __init__(self, entitlements: Entitlements) -> None:
        self._entitlements = entitlements
        self._began_at = clock.now()
        self._asking = Counter[str]()
        self._done_without = set[str]()

    @asynccontextmanager
    async def turn(self, quality: str | None, *, is_paid: bool) -> AsyncGenerator[None, None]:
        """Hold back an item until its quality is known to be allowed.

        Args:
            quality: The quality of the render; None if the item has no render, or had it already.
            is_paid: True if the item already has a project, so that trying costs nothing.

        Raises:
            QualityRefused: The account may not render in this quality.
        """
        while quality is not None:
            self._check(quality)
            if self._is_known(quality) or is_paid or not self._asking[quality]:
                break
            await self._entitlements.change()
        if quality is None or self._is_known(quality):
            yield
            return
        self._asking[quality] += 1
        try:
            yield
        finally:
            self._asking[quality] -= 1
            self._entitlements.wake()

    def was_made(self, quality: str | None) -> None:
        """Record a finished item, so that others need not wait.

        This holds even if the item needed no render.
        """
        if quality is not None:
            self._done_without.add(quality)

    def _is_known(self, quality: str) -> bool:
        return self._entitlements.is_granted(quality) or quality in self._done_without

    def _check(self, quality: str) -> None:
        refusal = self._entitlements.refusal(quality)
        if refusal is not None and (quality != USUAL or refusal.at >= self._began_at):
            raise refusal.error()


async def is_rendered(journal: Journal, job: Job) -> bool:
    """Return True if a job's project was, or may have been, rendered."""
    name = "render" if job.attempt == 1 else f"render/{job.attempt}"
    effect = await journal.effect(job.id, name)
    return effect is not None and effect.state != "refused"


async def may_render_otherwise(journal: Journal, job: Job, spec: Json) -> bool:
    """Return True if a job may get the item's render quality instead.

    The job must be unfinished and unrendered, and the two specs must differ only in quality.
    """
    return (
        job.stage != "succeeded"
        and differs_in_quality(job.spec, redact_for_resend(spec))
        and not await is_rendered(journal, job)
    )


def differs_in_quality(before: Json, after: Json) -> bool:
    """Return True if two specs differ only in their render quality."""
    match before, after:
        case ({"render": str(), **earlier}, {"render": str(), **later}):
            return bool(earlier == later)
        case _:
            return False
