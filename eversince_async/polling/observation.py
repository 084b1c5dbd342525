"""What one look told about one project, and what that proves."""

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
    """A project as seen at one moment.

    Attributes:
        project_id: The project.
        status: Its status.
        requested_at: When the request for it left, in loop time: it cannot know what happened later.
        assembled_url: The rendered video, if there is one.
        updated_at: When the server last changed it.
        expected_output: What the project is to make, where the list says so.
        project: The whole record, when it was asked for singly; None when it was seen in a list.
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
        """From a project read singly or in a list."""
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
        """Whether nothing more will happen by itself."""
        return self.status in SETTLED

    def is_sufficient(self, *, makes_video: bool) -> bool:
        """Whether a list has told how to go on: the run went well, and there is or will be a video.

        Args:
            makes_video: Whether the caller asked for one.
        """
        if self.status not in SETTLED or self.status in FINAL:
            return False
        expected = makes_video or self.expected_output == ExpectedOutput.ASSEMBLED
        return expected or bool(self.assembled_url)

    def to_summary(self) -> Project:
        """What a list has told, as a record that has no receipt."""
        return Project(
            id=self.project_id,
            status=self.status,
            assembled_url=self.assembled_url,
            updated_at=self.updated_at,
        )


@attrs.frozen(kw_only=True)
class Baseline:
    """Where a project stood before we asked for something, to tell afterwards whether that happened.

    Attributes:
        video: Where the video lay, without its signature; None when there was none.
        video_expires_at: Until when it could be had there.
        updated_at: When the server had last changed the project.
        requested_at: When our request was answered, in loop time.
    """

    video: str | None
    video_expires_at: datetime | None = None
    updated_at: datetime | None
    requested_at: float

    @classmethod
    def before(cls, project: Project, now: float) -> "Baseline":
        """The baseline of something asked of `project` just now."""
        return cls(
            video=url_without_query(project.assembled_url),
            video_expires_at=project.assembled_url_expires_at,
            updated_at=project.updated_at,
            requested_at=now,
        )

    def to_json(self) -> dict[str, str | None]:
        """What a journal keeps of it."""
        return {
            "video": self.video,
            "video_expires_at": _text(self.video_expires_at),
            "updated_at": _text(self.updated_at),
        }

    @classmethod
    def from_json(cls, kept: Field, *, requested_at: float) -> "Baseline":
        """From what `to_json` gave, of something that was asked for at `requested_at`."""
        expires_at = kept.get("video_expires_at")
        return cls(
            video=kept["video"].text_or_none(),
            video_expires_at=None if expires_at is None else expires_at.instant(),
            updated_at=kept["updated_at"].instant_or_none(),
            requested_at=requested_at,
        )

    def differs_from(self, seen: Observation) -> bool:
        """Whether a sighting shows anything that was not so before.

        The URL is compared without its signature, which may be made afresh for each answer. An answer with an
        older time of change is from before, and so is one that has lost the video, if it tells no newer time.
        """
        video = url_without_query(seen.assembled_url)
        if video is None and None not in (self.updated_at, seen.updated_at):
            return _is_before(self.updated_at, seen.updated_at)
        return video != self.video or _is_before(self.updated_at, seen.updated_at)

    def is_after(self, seen: Observation) -> bool:
        """Whether a sighting shows the project as it was before it stood here."""
        return _is_before(seen.updated_at, self.updated_at)


@attrs.frozen(kw_only=True)
class Known:
    """What is known of a project: it only grows, whichever answer comes last.

    An answer may come from a replica that lags behind, so one that shows less than an earlier one is older,
    however late it was asked for.

    Attributes:
        project: All that answers have shown.
        requested_at: When the latest of them that counts was asked for, in loop time.
    """

    project: Project
    requested_at: float

    def is_ahead_of(self, seen: Project, requested_at: float, *, for_seconds: float) -> bool:
        """Whether an answer shows the project as it was before what is known.

        Args:
            seen: What it shows.
            requested_at: When it was asked for.
            for_seconds: How long answers may lag behind; a later one counts, whatever it shows.
        """
        known, is_late = self.project, requested_at > self.requested_at + for_seconds
        if None not in (known.updated_at, seen.updated_at) and known.updated_at != seen.updated_at:
            return _is_before(seen.updated_at, known.updated_at) and not is_late
        if is_late or requested_at < self.requested_at:
            return not is_late
        has_lost_its_end = known.status in FINAL and seen.status not in FINAL
        has_lost_its_video = known.assembled_url is not None and seen.assembled_url is None
        return has_lost_its_end or (has_lost_its_video and not _is_another_variation(known, seen))

    def merge(self, seen: Project, requested_at: float, *, for_seconds: float) -> "Known":
        """With what another answer shows; see `is_ahead_of`. A video that was there is not lost again."""
        if self.is_ahead_of(seen, requested_at, for_seconds=for_seconds):
            # The receipt is of the latest answer, which says whether the whole record was read.
            return Known(
                project=_fill(self.project, seen, receipt=seen.receipt), requested_at=self.requested_at
            )
        return Known(project=_fill(seen, self.project, receipt=seen.receipt), requested_at=requested_at)


_VIDEO: Final = ("assembled_url", "assembled_url_expires_at")


_OF_THE_MOMENT: Final = ("credits_warning", "error_message", "receipt")


def _fill(project: Project, other: Project, *, receipt: Receipt | None) -> Project:
    """A record, with what only the other has. A video is one thing with the time until when it can be had."""
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
    """Whether one time is known to be before another."""
    return earlier is not None and later is not None and earlier < later


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def url_without_query(url: str | None) -> str | None:
    """A URL without query and fragment. It is compared, not used, so it may be as odd as it likes."""
    return None if url is None else _TAIL.split(url, maxsplit=1)[0]
