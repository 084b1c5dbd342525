"""The table of operations against the contract's tables.

Those are "Operations at a glance" and "Memories".
"""

import pytest

from eversince_async._wire.endpoints import ENDPOINTS, Endpoint, Idempotency

CONTRACT = """
POST    /projects                       202 200
GET     /projects                       200
GET     /projects/:id                   200
PATCH   /projects/:id/settings          200
POST    /projects/:id/cancel            200
GET     /projects/discover              200
POST    /projects/adopt                 201 200
GET     /projects/:id/messages          200
POST    /projects/:id/messages          202
GET     /projects/:id/timeline          200
GET     /projects/:id/assets            200
GET     /projects/:id/variations        200
GET     /projects/:id/memory            200
POST    /projects/:id/render            202
POST    /projects/:id/share             201
POST    /uploads                        200
POST    /uploads/confirm                201 200
GET     /account/credits                200
GET     /account/credit-packages        200
GET     /account/learned-preferences    200
PUT     /account/learned-preferences    200
GET     /account/shares                 200
GET     /account/skills                 200
POST    /account/skills                 201
GET     /account/skills/:id             200
PATCH   /account/skills/:id             200
DELETE  /account/skills/:id             200
GET     /models                         200
GET     /voices                         200
POST    /estimate-cost                  200
POST    /keys                           201
GET     /keys                           200
DELETE  /keys/:id                       200
POST    /feedback                       201
"""

MEMORIES = """
GET     /account/memories               200
POST    /account/memories               201
GET     /account/memories/:id           200
PATCH   /account/memories/:id           200
DELETE  /account/memories/:id           200
"""


def documented(table: str) -> set[tuple[str, str, tuple[int, ...]]]:
    rows = (line.split() for line in table.strip().splitlines())
    return {(method, path, tuple(map(int, statuses))) for method, path, *statuses in rows}


def ours(endpoint: Endpoint) -> tuple[str, str, tuple[int, ...]]:
    parts = (":id" if part.startswith("{") else part for part in endpoint.path.split("/"))
    return endpoint.method, "/".join(parts), endpoint.success


def test_contract_has_thirty_four_operations() -> None:
    assert 34 == len(documented(CONTRACT))


def test_table_is_the_contracts() -> None:
    """Exactly these operations exist, with these methods, paths and successes."""
    assert documented(CONTRACT) | documented(MEMORIES) == set(map(ours, ENDPOINTS))


def test_each_operation_stands_there_once() -> None:
    assert len(ENDPOINTS) == len(set(map(ours, ENDPOINTS))) == len({each.name for each in ENDPOINTS})


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_reads_may_be_repeated(endpoint: Endpoint) -> None:
    if endpoint.method == "GET":
        assert Idempotency.IDEMPOTENT is endpoint.resend


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_posts_without_a_second_answer_are_not_repeated(endpoint: Endpoint) -> None:
    """Only a few POSTs may be repeated.

    They return 200 the second time, or change nothing.
    """
    harmless = {"projects.adopt", "uploads.request", "uploads.confirm", "discovery.estimate_cost"}
    if endpoint.method == "POST" and endpoint.name not in harmless:
        assert endpoint.resend in {Idempotency.UNSAFE, Idempotency.KEYED}


def test_only_create_carries_a_key() -> None:
    assert ["projects.create"] == [each.name for each in ENDPOINTS if each.resend is Idempotency.KEYED]


def test_deletes_say_what_is_done() -> None:
    deletes = {each.name: each.deleted_field for each in ENDPOINTS if each.method == "DELETE"}

    assert {"skills.delete": "deleted", "memories.delete": "deleted", "keys.revoke": "revoked"} == deletes
