"""What workflows work with: the client's parts they need, and nothing else of it."""

import attrs

from eversince_async.governor import Governor
from eversince_async.orchestrator.watcher import Watcher
from eversince_async.resources import Resources
from eversince_async.session.retry import RetryPolicy
from eversince_async.session.transfer import Store


@attrs.frozen(kw_only=True)
class Desk:
    """The tools of a workflow.

    Attributes:
        api: Resources whose calls go in the `work` lane.
        watcher: Who looks at projects.
        governor: The account's limits.
        store: For downloads.
        retry: How patiently downloads are repeated.
    """

    api: Resources
    watcher: Watcher
    governor: Governor
    store: Store
    retry: RetryPolicy
