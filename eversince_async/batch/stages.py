"""The stages of a batch's jobs in the journal: those of pipelines, which may stand under the same keys."""

from eversince_async.pipelines.stages import ENDS, WAITING, WORKING

__all__ = ["ENDS", "WAITING", "WORKING"]
