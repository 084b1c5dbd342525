"""Observations of projects, and the conclusions that they allow."""

import re
from datetime import datetime
from typing import Final

import attrs

from eversince_async.journal.fields import Field
from eversince_async.lifecycle import FINAL, SETTLED, ProjectStatus
from eversince_async.models.projects import ExpectedOutput, Project, ProjectSummary
from eversince_async.models.receipt import Receipt

_TAIL: Final = re.compile("[?#]")


@attrs.frozen(kw_only=True)
class Observation:
    """A project at one moment, as a poll showed it.

    Attributes:
        project_id: The project.
        status: The status of the project.
        requested_at: The time at which the request left, in loop time. The observation knows nothing of later
            events.
        assembled_url: The rendered video, if there is one.
        updated_at: The time at which the server last changed the project.
        expected_output: The output that the project is to make, if the list says so.
        project: The whole record, if the project was requested singly; None if it was seen in a list.
    """

    project_id: str
    status: ProjectStatus | str
    requested_at: float
    assembled_url: str | None = attrs.field(default=None, repr=False)
    updated_at: datetime | None = None
    expected_output: str | None = None
    project: Project | None = attrs.field(default=None, repr=False)

    @classmethod
    def of(cls, seen: Project | ProjectSummary, requested_at: float) -> "Observation":
        """Build an observation from a project read singly or in a list."""
        return cls(
            project_id=seen.id,
            status=seen.status,
            requested_at=requested_at,
            assembled_url=seen.assembled_url,
            updated_at=seen.updated_at,
            expected_output=seen.expected_output if isinstance(seen, ProjectSummary) else None,
            project=seen if isinstance(seen, Project) else None,
        )

    @property
    def is_settled(self) -> bool:
        """True if the project will not change any more by itself."""
        return self.status in SETTLED

    def is_sufficient(self, *, makes_video: bool) -> bool:
        """Return True if a list has shown how to continue.

        That is so if the run succeeded and there is, or will be, a video.

        Args:
            makes_video: True if the caller asked for a video.
        """
        if self.status not in SETTLED or self.status in FINAL:
            return False
        expected = makes_video or self.expected_output == ExpectedOutput.ASSEMBLED
        return expected or bool(self.assembled_url)

    def to_summary(self) -> Project:
        """Return the facts of a list as a record without a receipt."""
        return Project(
            id=self.project_id,
            status=self.status,
            assembled_url=self.assembled_url,
            updated_at=self.updated_at,
        )


@attrs.frozen(kw_only=True)
class Baseline:
    """The state of a project before a request, for a later comparison.

    The comparison shows whether the effect of the request has happened.

    Attributes:
        video: The URL of the video, without its signature; None if there was no video.
        video_expires_at: The time until which the video was available there.
        updated_at: The time at which the server had last changed the project.
        requested_at: The time from which changes count as the request's effect, in loop time.
    """

    video: str | None
    video_expires_at: datetime | None = None
    updated_at: datetime | None
    requested_at: float

    @classmethod
    def before(cls, project: Project, now: float) -> "Baseline":
        """Build the baseline of a request that concerns `project`."""
        return cls(
            video=url_without_query(project.assembled_url),
            video_expires_at=project.assembled_url_expires_at,
            updated_at=project.updated_at,
            requested_at=now,
        )

    def to_json(self) -> dict[str, str | None]:
        """Return the part of the baseline that a journal keeps."""
        return {
            "video": self.video,
            "video_expires_at": _text(self.video_expires_at),
            "updated_at": _text(self.updated_at),
        }

    @classmethod
    def from_json(cls, kept: Field, *, requested_at: float) -> "Baseline":
        """Build the baseline from the result of `to_json`.

        Args:
            kept: The result of `to_json`.
            requested_at: The time of the request, in loop time.
        """
        expires_at = kept.get("video_expires_at")
        return cls(
            video=kept["video"].text_or_none(),
            video_expires_at=None if expires_at is None else expires_at.instant(),
            updated_at=kept["updated_at"].instant_or_none(),
            requested_at=requested_at,
        )

    def differs_from(self, seen: Observation) -> bool:
        """Return True if an observation shows any change.

        URLs are compared without their signatures, which may be new in each response. If both times of change
        are known, an observation that has lost the video shows a change only if its time is newer: otherwise
        it is from before the request.
        """
        video = url_without_query(seen.assembled_url)
        if video is None and None not in (self.updated_at, seen.updated_at):
            return _is_before(self.updated_at, seen.updated_at)
        return video != self.video or _is_before(self.updated_at, seen.updated_at)

    def is_after(self, seen: Observation) -> bool:
        """Return True if an observation is older than the baseline."""
        return _is_before(seen.updated_at, self.updated_at)


@attrs.frozen(kw_only=True)
class Known:
    """The accumulated knowledge of a project, which only grows.

    A response may come from a replica that lags behind. So a response that shows less than an earlier one is
    older, however late it was requested.

    Attributes:
        project: All facts that responses have shown.
        requested_at: The time at which the latest response that counts was requested, in loop time.
    """

    project: Project
    requested_at: float

    def is_ahead_of(self, seen: Project, requested_at: float, *, for_seconds: float) -> bool:
        """Return True if a response is older than the known state.

        Args:
            seen: The project in the response.
            requested_at: The time at which it was requested.
            for_seconds: The longest time by which responses may lag behind; a later response always counts.
        """
        record, is_late = self.project, requested_at > self.requested_at + for_seconds
        if None not in (record.updated_at, seen.updated_at) and record.updated_at != seen.updated_at:
            return _is_before(seen.updated_at, record.updated_at) and not is_late
        if is_late or requested_at < self.requested_at:
            return not is_late
        has_lost_its_end = record.status in FINAL and seen.status not in FINAL
        has_lost_its_video = record.assembled_url is not None and seen.assembled_url is None
        return has_lost_its_end or (has_lost_its_video and not _is_another_variation(record, seen))

    def merge(self, seen: Project, requested_at: float, *, for_seconds: float) -> "Known":
        """Add the facts of another response; see `is_ahead_of`.

        A video that existed is never lost again.
        """
        if self.is_ahead_of(seen, requested_at, for_seconds=for_seconds):
            # The receipt is that of the latest response; it shows whether the whole record was read.
            return Known(
                project=_fill(self.project, seen, receipt=seen.receipt), requested_at=self.requested_at
            )
        return Known(project=_fill(seen, self.project, receipt=seen.receipt), requested_at=requested_at)


_VIDEO: Final = ("assembled_url", "assembled_url_expires_at")


_OF_THE_MOMENT: Final = ("credits_warning", "error_message", "receipt")


def _fill(project: Project, other: Project, *, receipt: Receipt | None) -> Project:
    """Return a record, completed with the facts that only the other has.

    A video and its time of expiry are copied together.
    """
    missing = {
        field.name: getattr(other, field.name)
        for field in attrs.fields(Project)
        if field.name not in _VIDEO + _OF_THE_MOMENT and getattr(project, field.name) is None
    }
    ours, theirs = url_without_query(project.assembled_url), url_without_query(other.assembled_url)
    if ours is None and not _is_another_variation(project, other):
        missing |= {name: getattr(other, name) for name in _VIDEO}
    elif ours == theirs and project.assembled_url_expires_at is None:
        missing["assembled_url_expires_at"] = other.assembled_url_expires_at
    return attrs.evolve(project, **missing, extra=project.extra or other.extra, receipt=receipt)


def _is_another_variation(project: Project, other: Project) -> bool:
    ours, theirs = project.variation_id, other.variation_id
    return None not in (ours, theirs) and ours != theirs


def _is_before(earlier: datetime | None, later: datetime | None) -> bool:
    """Return True if both times are known and the first is earlier."""
    return earlier is not None and later is not None and earlier < later


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def url_without_query(url: str | None) -> str | None:
    """Return a URL without query and fragment.

    The result is only compared, not used, so the URL may be malformed.
    """
    return None if url is None else _TAIL.split(url, maxsplit=1)[0]
