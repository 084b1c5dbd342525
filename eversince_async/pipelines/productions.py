"""Productions as the journal keeps them: without the signatures of their URLs, and without a client."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import attrs

from eversince_async._wire.converter import structure, unstructure
from eversince_async.journal import Json
from eversince_async.journal.stored import observed
from eversince_async.models._base import Model
from eversince_async.models.content import Asset, Variation
from eversince_async.models.output import Share
from eversince_async.models.projects import Project
from eversince_async.orchestrator.desk import Desk
from eversince_async.orchestrator.production import Production

EXPIRED: Final = datetime.fromtimestamp(0, UTC)
"""When what is no longer good has expired, whatever clocks show."""


def kept(production: Production) -> Json:
    """All that is kept of one."""
    return {
        "project": observed(unstructure(production.project)),
        "share": _kept(production.share),
        "variation": _kept(production.variation),
        "assets": [observed(unstructure(asset)) for asset in production.assets],
        "files": [str(path) for path in production.files],
        "timings": dict(production.timings),
        "request_ids": list(production.request_ids),
    }


def restored(desk: Desk, plain: Mapping[str, Any]) -> Production:
    """One as it was kept.

    The signature of its `assembled_url` was not kept, so that counts as expired; nothing is asked of the
    server for it until somebody needs another: `Production.download`, `Production.refreshed`.
    """
    project = structure(plain["project"], Project)
    if project.assembled_url is not None:
        project = attrs.evolve(project, assembled_url_expires_at=EXPIRED)
    share, variation = plain["share"], plain["variation"]
    return Production(
        project=project,
        share=None if share is None else structure(share, Share),
        variation=None if variation is None else structure(variation, Variation),
        assets=tuple(structure(asset, Asset) for asset in plain["assets"]),
        files=tuple(map(Path, plain["files"])),
        timings=plain["timings"],
        request_ids=tuple(plain["request_ids"]),
        desk=desk,
    )


def pointed_at(production: Production) -> Json:
    """What tells one from another, and is the same whether it was just made or restored."""
    variation = production.variation
    return {
        "project_id": production.project_id,
        "variation_id": None if variation is None else variation.id,
        "share_url": production.share_url,
    }


def shown(production: Production) -> Json:
    """What a person needs to look at one."""
    variation = production.variation
    return {
        **pointed_at(production),
        "variation": None if variation is None else variation.title,
        "studio_url": production.project.project_url,
        "files": [str(path) for path in production.files],
    }


def _kept(model: Model | None) -> Json:
    return None if model is None else observed(unstructure(model))
