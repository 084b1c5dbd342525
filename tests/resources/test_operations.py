"""Every operation through real HTTP: success, documented errors, and a wrong key."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eversince_async import (
    ApiError,
    Eversince,
    Forbidden,
    InsufficientCredits,
    InternalError,
    InvalidRequest,
    Lane,
    NotFound,
    OutcomeUnknown,
    PayloadTooLarge,
    ProjectLimitReached,
    RateLimited,
    RetryPolicy,
    ServiceUnavailable,
    StatusConflict,
    Unauthorized,
    UploadReference,
    ValidationFailed,
)
from eversince_async._wire.endpoints import ENDPOINTS, Endpoint, Idempotency
from eversince_async.emulator import Emulator, ErrorAnswer
from eversince_async.resources import Resources
from helpers.operations import CASES, Case

ENDPOINT: dict[str, Endpoint] = {endpoint.name: endpoint for endpoint in ENDPOINTS}
APRIL, MAY = "2026-04", "2026-05"

ERRORS: dict[str, tuple[ErrorAnswer, type[ApiError]]] = {
    "400": (ErrorAnswer(status=400, code="validation_error", message="title: is odd"), ValidationFailed),
    "401": (ErrorAnswer(status=401, code="unauthorized"), Unauthorized),
    "402": (ErrorAnswer(status=402, code="insufficient_credits"), InsufficientCredits),
    "403": (ErrorAnswer(status=403, code="forbidden"), Forbidden),
    "404": (ErrorAnswer(status=404, code="not_found"), NotFound),
    "409": (ErrorAnswer(status=409, code="conflict"), StatusConflict),
    "413": (ErrorAnswer(status=413, code="payload_too_large"), PayloadTooLarge),
    "429 rate_limited": (ErrorAnswer(status=429, code="rate_limited", retry_after=2), RateLimited),
    "429 project_limit": (ErrorAnswer(status=429, code="project_limit"), ProjectLimitReached),
    "500": (ErrorAnswer(status=500, code="internal_error"), InternalError),
    "503": (ErrorAnswer(status=503, code="service_unavailable", retry_after=1), ServiceUnavailable),
}
COMMON = {400, 401, 403, 429, 500, 503}
"""Documented for every operation ("Operations at a glance")."""


def revisions() -> list[Any]:
    return [
        pytest.param(name, revision, id=f"{name} {revision}")
        for name, case in CASES.items()
        for revision in ([MAY] if case.may_only else [APRIL, MAY])
    ]


def documented() -> list[Any]:
    return [
        pytest.param(name, error, id=f"{name} {error}")
        for name, case in CASES.items()
        for error in ERRORS
        if int(error[:3]) in COMMON | set(case.errors)
    ]


@pytest.fixture
def revision() -> str:
    return MAY


@pytest.fixture
async def emulator(revision: Any) -> AsyncIterator[Emulator]:
    async with Emulator(revision=revision) as emulator:
        yield emulator


@pytest.fixture
async def eversince(emulator: Emulator) -> AsyncIterator[Eversince]:
    async with Eversince(**emulator.connection, retry=RetryPolicy(attempts=2, refusals=1)) as eversince:
        yield eversince


def pattern(endpoint: Endpoint) -> str:
    return "/".join("*" if part.startswith("{") else part for part in endpoint.path.split("/"))


# -- Completeness -----------------------------------------------------------------------------------------


def test_every_operation_has_a_case() -> None:
    assert set(ENDPOINT) == set(CASES)


def test_every_case_expects_the_documented_success() -> None:
    assert {name: endpoint.success[0] for name, endpoint in ENDPOINT.items()} == {
        name: case.status for name, case in CASES.items()
    }


def test_every_operation_is_a_verb_of_its_resource() -> None:
    for name in ENDPOINT:
        resource, verb = name.split(".")
        assert callable(getattr(getattr(Resources, resource).func.__annotations__["return"], verb))


def test_every_verb_belongs_to_an_operation() -> None:
    """Methods that are no operation combine several: iterations and uploads."""
    verbs = {
        f"{name}.{verb}"
        for name, attribute in vars(Resources).items()
        if hasattr(attribute, "func")
        for verb in vars(attribute.func.__annotations__["return"])
        if not verb.startswith("_")
    }
    made_of_several = {verb for verb in verbs if verb.split(".")[1].startswith("iter")}

    assert set(ENDPOINT) == verbs - made_of_several - {"uploads.upload", "uploads.put"}


# -- Success ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "revision"), revisions())
async def test_succeeds(name: str, emulator: Emulator, eversince: Eversince) -> None:
    """The first attempt succeeds at the right operation.

    The response has the documented status and the right class.
    """
    case = CASES[name]
    id_ = await case.prepared(emulator, eversince)
    emulator.world.log.clear()

    result = await case.call(eversince, id_)

    (entry,) = emulator.world.log
    expected = f"{ENDPOINT[name].method} {pattern(ENDPOINT[name]).replace('*', ':id')}"
    assert (expected, case.status) == (entry.route, entry.status)
    assert {case.returns} == {type(item) for item in (result if isinstance(result, list) else [result])}
    if not isinstance(result, list) and ENDPOINT[name].unwrap is None:
        assert (case.status, entry.request_id) == (result.receipt.status, result.receipt.request_id)
        assert result.receipt.rate_limit.limit == {APRIL: 30, MAY: 120}[emulator.world.rules.name]


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.may_only])
@pytest.mark.parametrize("revision", [APRIL])
async def test_memories_are_not_found_in_april(name: str, eversince: Eversince) -> None:
    with pytest.raises(NotFound):
        await CASES[name].call(eversince, "mem_1")


@pytest.mark.parametrize("name", CASES)
async def test_unknown_fields_can_be_sent(name: str, emulator: Emulator, eversince: Eversince) -> None:
    """Every method takes `extra`."""
    resource, verb = name.split(".")
    verbs = getattr(eversince, resource)
    sent: dict[str, Any] = {}
    session = verbs._session

    class Noting:
        async def send(self, endpoint: Endpoint, returns: Any, **arguments: Any) -> Any:
            body, extra = arguments.get("body"), arguments.get("extra")
            sent.update(getattr(body, "extra", None) or {}, **(extra or {}))
            return await session.send(endpoint, returns, **arguments)

    case = CASES[name]
    id_ = await case.prepared(emulator, eversince)
    verbs._session = Noting()
    original = getattr(verbs, verb)
    verbs.__dict__[verb] = lambda *args, **kwargs: original(*args, **kwargs, extra={"brand_new": 1})
    await case.call(eversince, id_)

    assert {"brand_new": 1} == sent


# -- Errors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "error"), documented())
async def test_documented_error(name: str, error: str, emulator: Emulator, eversince: Eversince) -> None:
    """The exception's class says what to do next.

    A 500 in response to a write that could happen twice leaves the write in doubt.
    """
    case, endpoint = CASES[name], ENDPOINT[name]
    answer, expected = ERRORS[error]
    id_ = await case.prepared(emulator, eversince)
    emulator.faults.once(endpoint.method, pattern(endpoint), answer, times=9)
    in_doubt = error == "500" and endpoint.resend is Idempotency.UNSAFE

    with pytest.raises(OutcomeUnknown if in_doubt else expected) as raised:
        await case.call(eversince, id_)

    found = raised.value.__cause__ if in_doubt else raised.value
    assert expected is type(found)
    assert isinstance(found, ApiError)
    last = emulator.world.log.entries[-1]
    assert (name, last.request_id, answer.status) == (found.endpoint, found.request_id, found.status)


@pytest.mark.parametrize("name", CASES)
async def test_wrong_key(name: str, emulator: Emulator, eversince: Eversince) -> None:
    """The first attempt gets 401, and nothing is done."""
    case = CASES[name]
    id_ = await case.prepared(emulator, eversince)
    emulator.world.log.clear()
    async with Eversince("es_live_wrong", base_url=emulator.base_url) as stranger:
        with pytest.raises(Unauthorized, match="EVERSINCE_API_KEY"):
            await case.call(stranger, id_)

    assert [401] == [entry.status for entry in emulator.world.log]


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "{" in ENDPOINT[name].path])
async def test_unknown_id(name: str, eversince: Eversince) -> None:
    with pytest.raises(NotFound):
        await CASES[name].call(eversince, "there is no such/thing")


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "{" in ENDPOINT[name].path])
@pytest.mark.parametrize("id_", ["", ".", ".."])
async def test_what_is_no_id_is_not_sent(
    name: str, id_: str, emulator: Emulator, eversince: Eversince
) -> None:
    with pytest.raises(InvalidRequest):
        await CASES[name].call(eversince, id_)

    assert 0 == len(emulator.world.log)


# -- Errors of the server's own making --------------------------------------------------------------------


async def test_few_credits(emulator: Emulator, eversince: Eversince) -> None:
    """The server refuses create, message and render; the client checks nothing."""
    project = emulator.add_project("A film")
    emulator.account.credits = 3
    for name in ("projects.create", "messages.send", "output.render"):
        with pytest.raises(InsufficientCredits):
            await CASES[name].call(eversince, project.id)


async def test_4k_needs_pro(emulator: Emulator, eversince: Eversince) -> None:
    project = emulator.add_project("A film")
    with pytest.raises(Forbidden, match="Pro"):
        await eversince.output.render(project.id, quality="4k")


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("projects.settings", "running"),
        ("projects.cancel", "rendering"),
        ("messages.send", "generating"),
        ("output.render", "queued"),
    ],
)
@pytest.mark.parametrize("revision", [APRIL, MAY])
async def test_wrong_status(name: str, status: str, emulator: Emulator, eversince: Eversince) -> None:
    """Both 400 and 409 raise `StatusConflict`."""
    project = emulator.add_project("A film", status=status)
    with pytest.raises(StatusConflict, match=status):
        await CASES[name].call(eversince, project.id)


async def test_share_before_a_render(emulator: Emulator, eversince: Eversince) -> None:
    project = emulator.add_project("A film")
    with pytest.raises(StatusConflict, match="requires a completed render"):
        await eversince.output.share(project.id)


async def test_five_projects_are_active(emulator: Emulator, eversince: Eversince) -> None:
    emulator.studio.occupy(5)
    with pytest.raises(ProjectLimitReached) as raised:
        await eversince.projects.create("A film")

    assert raised.value.daily is None


async def test_unknown_upload(eversince: Eversince) -> None:
    with pytest.raises(NotFound):
        await eversince.projects.create("A film", references=[UploadReference(upload_id="upl_none")])


async def test_fields_of_a_refusal(eversince: Eversince) -> None:
    """The problems that only the server finds are returned by field."""
    with pytest.raises(ValidationFailed) as raised:
        await eversince.projects.create(
            "A film", mode="manual", aspect_ratio="4:3", webhook_url="http://a.example"
        )

    assert {"mode", "aspect_ratio", "webhook_url"} == set(raised.value.fields)


async def test_taken_name_of_a_skill(eversince: Eversince) -> None:
    await eversince.skills.create("Brand", "Navy")
    with pytest.raises(ValidationFailed) as raised:
        await eversince.skills.create("brand", "Gold")

    assert ["name"] == list(raised.value.fields)


async def test_platform_skills_can_be_toggled_but_not_changed(eversince: Eversince) -> None:
    """The response to a toggle has no budget."""
    platform = next(each for each in (await eversince.skills.list()).skills if each.source == "eversince")
    toggled = await eversince.skills.update(platform.id, is_active=not platform.is_active)

    assert (not platform.is_active, None) == (toggled.skill.is_active, toggled.budget)
    with pytest.raises(Forbidden):
        await eversince.skills.update(platform.id, name="Mine")
    with pytest.raises(Forbidden):
        await eversince.skills.delete(platform.id)


async def test_eleventh_key(eversince: Eversince) -> None:
    for number in range(9):
        await eversince.keys.create(f"key {number}")
    with pytest.raises(ValidationFailed, match="Maximum of 10"):
        await eversince.keys.create("one too many")


async def test_revoked_key_is_refused(emulator: Emulator, eversince: Eversince) -> None:
    key = await eversince.keys.create("CI")
    async with Eversince(key.key, base_url=emulator.base_url) as other:
        await other.account.credits()
        await eversince.keys.revoke(key.id)
        with pytest.raises(Unauthorized):
            await other.account.credits()


async def test_empty_change_of_settings_is_not_sent(emulator: Emulator, eversince: Eversince) -> None:
    """The effect of an empty change is not documented."""
    with pytest.raises(InvalidRequest, match="give at least one"):
        await eversince.projects.settings("proj_1")

    assert 0 == len(emulator.world.log)


async def test_body_over_one_megabyte_is_not_sent(emulator: Emulator, eversince: Eversince) -> None:
    with pytest.raises(InvalidRequest, match="1 MB"):
        await eversince.projects.create("A film", extra={"padding": "x" * 2**20})

    assert 0 == len(emulator.world.log)


# -- Alternate successes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("revision", [APRIL, MAY])
async def test_create_with_a_known_key(emulator: Emulator, eversince: Eversince) -> None:
    """A 200 of another shape has the project as it is now."""
    first = await eversince.projects.create("A film", idempotency_key="mug-1")
    second = await eversince.projects.create("A film", idempotency_key="mug-1")

    assert (False, True) == (first.existed, second.existed)
    assert (first.id, 200) == (second.id, second.receipt.status if second.receipt else None)
    assert (None, None) == (second.mode, second.created_at)
    assert "already exists" in (second.message or "")
    assert 1 == emulator.world.counts["projects"]


async def test_create_with_the_key_of_a_failed_project(emulator: Emulator, eversince: Eversince) -> None:
    first = await eversince.projects.create("A film", idempotency_key="mug-1")
    emulator.studio.fail(first.id)
    second = await eversince.projects.create("A film", idempotency_key="mug-1")

    assert not second.existed
    assert first.id != second.id


async def test_creates_without_a_key_are_two(emulator: Emulator, eversince: Eversince) -> None:
    """A key is minted for each call, not for each brief."""
    first = await eversince.projects.create("A film")
    second = await eversince.projects.create("A film")

    assert first.id != second.id


async def test_adopt_again(eversince: Eversince) -> None:
    studio = (await eversince.projects.discover()).projects[0]
    first = await eversince.projects.adopt(studio.project_id)
    second = await eversince.projects.adopt(studio.project_id)

    assert (False, True) == (first.existed, second.existed)
    assert first.id == second.id
    assert ("collaborative", "idle") == (first.mode, first.status)


async def test_adopted_project_is_listed_with_its_source(eversince: Eversince) -> None:
    studio = (await eversince.projects.discover()).projects[0]
    adopted = await eversince.projects.adopt(studio.project_id, mode="autonomous")
    (listed,) = (await eversince.projects.list()).projects

    assert (adopted.id, studio.project_id, "autonomous") == (listed.id, listed.source_project_id, listed.mode)


async def test_confirm_again(emulator: Emulator, eversince: Eversince) -> None:
    r2_key = await CASES["uploads.confirm"].prepared(emulator, eversince)
    first = await eversince.uploads.confirm(r2_key, "mug.png", "image/png", 5)
    second = await eversince.uploads.confirm(r2_key, "mug.png", "image/png", 5)

    assert (False, True) == (first.existed, second.existed)
    assert (first.upload_id, "image") == (second.upload_id, second.type)


# -- Lanes ------------------------------------------------------------------------------------------------


async def test_calls_of_users_go_first(eversince: Eversince) -> None:
    assert Lane.INTERACTIVE is eversince.projects._session.lane


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_nothing_is_left_open(case: Case, emulator: Emulator, eversince: Eversince) -> None:
    """Every departure of the governor gets its response."""
    await case.run(emulator, eversince)

    assert 0 == eversince.governor.budget.in_flight
