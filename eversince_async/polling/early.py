"""Decisions about polls before they are due.

A poll happens at the latest when it is due, and earlier if that pays and no other caller needs the request.
"""

import math
from collections import deque
from collections.abc import Collection
from typing import Final

import attrs

from eversince_async.governor import GovernorProtocol, Lane
from eversince_async.limits import REQUEST_WINDOW
from eversince_async.polling.durations import DurationModel, StageInProgress
from eversince_async.polling.schedule import MIN_POLL_INTERVAL, PollSchedule

MIN_SAVING: Final = 0.2
"""Seconds of waiting that an early poll must be expected to save.

With this value, one video that takes minutes is polled about every 10 s, and a poll that most likely finds
nothing new is left out.
"""

MIN_SAVING_UNDER_LOAD: Final = 0.05
"""The same, while productions wait for a slot.

A second that is lost then is lost to all of them.
"""

SEARCH_STEP: Final = 1.0
"""Seconds between the moments that are considered for an early poll."""


@attrs.frozen
class PendingStage:
    """A stage that may have ended since its last observation.

    Attributes:
        stage: The stage whose end is awaited; None if nothing is known about it.
        seen_at: The time of its last observation, in loop time. The stage had not ended then.
    """

    stage: StageInProgress | None
    seen_at: float


class EarlyPollPolicy:
    """The rules for polls before they are due.

    Attributes:
        last_poll_at: The time at which the last poll began, in loop time.
    """

    def __init__(
        self, schedule: PollSchedule, governor: GovernorProtocol, duration_model: DurationModel
    ) -> None:
        self.last_poll_at = -math.inf
        self._schedule = schedule
        self._governor = governor
        self._duration_model = duration_model
        self._early_request_times: deque[float] = deque()

    def next_early_poll(
        self, unseen: Collection[PendingStage], now: float, due_at: float, *, in_demand: bool = False
    ) -> float:
        """Return the time of the next early poll, or infinity for none.

        That is the first moment before `due_at` at which a poll pays and the budget allows it, as things
        stand.

        Args:
            unseen: All stages that are awaited.
            now: The current loop time.
            due_at: The time at which a poll is due anyway.
            in_demand: True if productions wait for a slot.
        """
        if not self._schedule.spare:
            return math.inf
        earliest = max(self.last_poll_at + MIN_POLL_INTERVAL, self._budget_free_at(now))
        if earliest >= due_at:
            return math.inf
        min_saving = MIN_SAVING_UNDER_LOAD if in_demand else MIN_SAVING
        pays_at = self._worthwhile_at(unseen, earliest, due_at, min_saving)
        return (
            pays_at
            if pays_at == math.inf
            else max(pays_at, self._governor.estimated_departure(Lane.POLL, now))
        )

    def record_early(self, requests: int, now: float) -> None:
        """Record the number of requests of an early poll."""
        self._early_request_times.extend([now] * requests)

    def _budget_free_at(self, now: float) -> float:
        """Return the time from which early polls are within their budget share."""
        while self._early_request_times and self._early_request_times[0] + REQUEST_WINDOW <= now:
            self._early_request_times.popleft()
        share = self._schedule.spare * self._governor.allowance()
        if len(self._early_request_times) < share:
            return -math.inf
        return (
            math.inf
            if share < 1
            else self._early_request_times[len(self._early_request_times) - math.floor(share)]
            + REQUEST_WINDOW
        )

    def _worthwhile_at(
        self, unseen: Collection[PendingStage], earliest: float, due_at: float, min_saving: float
    ) -> float:
        if not unseen:
            return math.inf
        moment = max(earliest, min(each.seen_at for each in unseen))
        while moment < due_at:
            if self._is_worthwhile(unseen, moment, min_saving):
                return moment
            moment += SEARCH_STEP
        return math.inf

    def _is_worthwhile(self, unseen: Collection[PendingStage], moment: float, min_saving: float) -> bool:
        """Return True if a poll then is expected to save enough waiting.

        A stage that has ended since its last observation has waited for half of that time, on average.
        """
        saving = 0.0
        for each in unseen:
            saving += (
                self._duration_model.completion_probability(each.stage, each.seen_at, moment)
                * (moment - each.seen_at)
                / 2
            )
            if saving >= min_saving:
                return True
        return False
