"""Renders that an account may be refused: who asks first, and which items have to wait for that."""

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from eversince_async import clock
from eversince_async.account.entitlements import USUAL, Entitlements
from eversince_async.journal import Job, Journal, Json
from eversince_async.journal.redaction import redact_for_resend


class QualityGate:
    """Lets one item find out whether the account may have a quality, before more are paid for.

    Args:
        entitlements: What the account was answered so far.
    """

    def __init__(self, entitlements: Entitlements) -> None:
        self._entitlements = entitlements
        self._began_at = clock.now()
        self._asking = Counter[str]()
        self._done_without = set[str]()

    @asynccontextmanager
    async def turn(self, quality: str | None, *, is_paid: bool) -> AsyncGenerator[None, None]:
        """Hold back an item until it is known whether it can be rendered.

        Args:
            quality: What it is to be rendered in; None: it is not, or has been.
            is_paid: Whether it has a project already, so that asking costs nothing.

        Raises:
            QualityRefused: The account may not render so.
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
        """Note an item that is finished: even if it needed no render, others need not wait."""
        if quality is not None:
            self._done_without.add(quality)

    def _is_known(self, quality: str) -> bool:
        return self._entitlements.is_granted(quality) or quality in self._done_without

    def _check(self, quality: str) -> None:
        refusal = self._entitlements.refusal(quality)
        if refusal is not None and (quality != USUAL or refusal.at >= self._began_at):
            raise refusal.error()


async def is_rendered(journal: Journal, job: Job) -> bool:
    """Whether a job's project was, or may have been, rendered."""
    name = "render" if job.attempt == 1 else f"render/{job.attempt}"
    effect = await journal.effect(job.id, name)
    return effect is not None and effect.state != "refused"


async def may_render_otherwise(journal: Journal, job: Job, spec: Json) -> bool:
    """Whether an item may take the place of a job: it asks for another quality, and nothing is rendered."""
    return (
        job.stage != "succeeded"
        and differs_in_quality(job.spec, redact_for_resend(spec))
        and not await is_rendered(journal, job)
    )


def differs_in_quality(before: Json, after: Json) -> bool:
    """Whether both ask for a render, and for the same but for its quality."""
    match before, after:
        case ({"render": str(), **earlier}, {"render": str(), **later}):
            return bool(earlier == later)
        case _:
            return False
