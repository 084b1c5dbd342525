"""The commands, in virtual time and without a process for each."""

from __future__ import annotations

import json
import os

import pytest

from eversince_async.cli import doctor, main
from eversince_async.cli._client import connect
from eversince_async.cli._commands import BY_NAME, help_text
from eversince_async.cli._dispatch import _without_allow_http
from eversince_async.cli._errors import describe_error, exit_code_for
from eversince_async.cli._exit_codes import ExitCode
from eversince_async.cli._loop import speed
from eversince_async.cli.account import credits_
from eversince_async.cli.doctor import doctor_
from eversince_async.cli.produce import produce_
from eversince_async.cli.projects import cancel_, download_, list_, status_
from eversince_async.errors import (
    ConfigurationError,
    DownloadFailed,
    InsufficientCredits,
    InvalidProjectState,
    InvalidRequest,
    ProjectFailed,
    ProjectLimitReached,
    Unauthorized,
    WaitTimedOut,
)


@pytest.fixture
def account(emulator, monkeypatch, tmp_path):
    """An emulator that the environment points to."""
    monkeypatch.setenv("EVERSINCE_API_KEY", emulator.connection["api_key"])
    monkeypatch.setenv("EVERSINCE_BASE_URL", emulator.base_url)
    monkeypatch.delenv("EVERSINCE_SPEED", raising=False)
    monkeypatch.chdir(tmp_path)
    return emulator


# -- Arguments --------------------------------------------------------------------------------------------


def test_the_overview_has_every_command_and_every_exit_code():
    page = help_text()

    assert [] == [name for name in BY_NAME if f"  {name} " not in page]
    assert [] == [code for code in ExitCode if f"  {code.value:<12} {code.meaning}" not in page]


@pytest.mark.parametrize("typed", [[], ["--help"], ["-h"], ["help"]])
def test_help_is_printed_on_stdout(typed, capsys):
    assert 0 == main(typed)
    assert help_text() + "\n" == capsys.readouterr().out


@pytest.mark.parametrize("name", BY_NAME)
def test_every_command_has_a_page_of_its_own(name, capsys):
    assert 0 == main([name, "--help"])

    page = capsys.readouterr().out
    assert f"Usage: eversince {name}" in page
    assert "--debug" in page


def test_the_version_is_told(capsys):
    assert 0 == main(["--version"])
    assert capsys.readouterr().out.startswith("eversince-async 0.")


def test_an_unknown_command_is_answered_with_the_likely_one(capsys):
    assert ExitCode.USAGE == main(["produse", "A film"])
    assert "Did you mean produce?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "typed",
    [
        ["produce"],
        ["produce", "A film", "--quality", "8k"],
        ["status", "proj_1", "proj_2"],
        ["list", "--limit", "many"],
        ["demo", "--sped", "3"],
    ],
    ids=" ".join,
)
def test_a_usage_error_is_one_line_and_exit_code_2(typed, capsys):
    assert ExitCode.USAGE == main(typed)
    assert 1 == capsys.readouterr().err.count("\n")


# -- Compressed time --------------------------------------------------------------------------------------


def test_speed_is_for_an_emulator_on_this_machine_only(monkeypatch):
    """Against the real API, a fast clock would cause too many requests."""
    monkeypatch.setenv("EVERSINCE_SPEED", "60")
    monkeypatch.setenv("EVERSINCE_BASE_URL", "https://eversince.ai/api/v1")

    with pytest.raises(ConfigurationError, match="for an emulator on this machine only"):
        speed()


@pytest.mark.parametrize("given", ["fast", "0", "-1", "nan", "inf"])
def test_speed_is_a_number_above_zero(given, monkeypatch):
    monkeypatch.setenv("EVERSINCE_SPEED", given)
    monkeypatch.setenv("EVERSINCE_BASE_URL", "http://127.0.0.1:8021/api/v1")

    with pytest.raises(ConfigurationError, match="must be a number above zero"):
        speed()


def test_no_speed_is_real_time(monkeypatch):
    monkeypatch.delenv("EVERSINCE_SPEED", raising=False)
    assert speed() is None


# -- Trouble ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidRequest({"title": "is too long"}), 2),
        (ConfigurationError("no API key"), 4),
        (Unauthorized("Invalid API key", status=401), 4),
        (WaitTimedOut("it takes long", project_id="proj_1"), 3),
        (DownloadFailed("film.mp4", "the disk is full"), 3),
        (ProjectFailed("no luck", project_id="proj_1"), 1),
        (FileNotFoundError(2, "No such file or directory", "mug.png"), 1),
        (RuntimeError("a mistake"), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_exit_codes(error, code):
    assert code == exit_code_for(error)


def test_a_missing_file_is_named():
    error = FileNotFoundError(2, "No such file or directory", "mug.png")
    assert "mug.png: No such file or directory" == describe_error(error)


def test_the_day_being_over_is_told():
    error = ProjectLimitReached("Daily limit", status=429)
    error.daily = True
    assert "try again tomorrow" in describe_error(error)


def test_a_mistake_of_ours_keeps_secrets():
    assert "es_live_abc" not in describe_error(RuntimeError("es_live_abc"))


async def test_too_few_credits_are_told_with_where_to_buy(account):
    account.account.credits = 10

    with pytest.raises(InsufficientCredits) as refused:
        await produce_("A film")

    told = describe_error(refused.value)
    assert "10 credits are left" in told
    assert "buy more: https://" in told


# -- Commands ---------------------------------------------------------------------------------------------


async def test_produce_takes_all_that_create_takes(account, tmp_path):
    (tmp_path / "mug.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    code = await produce_(
        "A film",
        title="Mug",
        aspect_ratio="1:1",
        craft="cinema",
        reference=["mug.png", "https://example.com/page", "https://example.com/a.mp4?x=1"],
        idempotency_key="mug-1",
        extra=["mode=collaborative"],
    )

    (made,) = (each for each in account.world.projects.values() if not each.studio)
    assert ExitCode.DONE == code
    assert ("Mug", "1:1", "collaborative", "mug-1") == (
        made.title,
        made.aspect_ratio,
        made.mode,
        made.idempotency_key,
    )
    assert ["url", "video"] == [each["type"] for each in made.asked["references"][1:]]


async def test_produce_without_render_and_share_leaves_the_project_idle(account, capsys):
    await produce_("A film", render=False, share=False, as_json=True)

    told = json.loads(capsys.readouterr().out)
    assert "idle" == told["project"]["status"]
    assert (None, None, []) == (told["share_url"], told["video_url"], told["files"])


async def test_a_malformed_extra_field_is_refused(account):
    with pytest.raises(InvalidRequest, match="NAME=VALUE"):
        await produce_("A film", extra=["mode"])


async def test_status_shows_where_the_video_is(account, capsys):
    """The link is printed in full, because people want to open it."""
    project = account.add_project(rendered=True)

    await status_(project.id)

    told = dict(line.split(":", 1) for line in capsys.readouterr().out.splitlines())
    assert "idle" == told["status"].strip()
    assert "?" in told["video"]


async def test_list_prints_a_line_for_each_project(account, capsys):
    newest = [account.add_project(f"Film {number}").id for number in range(130)][::-1]

    await list_(limit=0)

    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert newest == [line[0] for line in lines]
    assert ["idle", "Film 129"] == [lines[0][1], lines[0][3]]


async def test_list_asks_for_no_more_than_it_shows(account, capsys):
    for number in range(130):
        account.add_project(f"Film {number}")

    await list_(limit=3, as_json=True)

    assert 3 == len(json.loads(capsys.readouterr().out))
    assert 1 == account.world.log.routes()["GET /projects"]


async def test_download_fetches_a_rendered_video(account, tmp_path, capsys):
    project = account.add_project(rendered=True)

    await download_(project.id)

    assert f"{project.id}.mp4\n" == capsys.readouterr().out
    assert b"ftyp" == (tmp_path / f"{project.id}.mp4").read_bytes()[4:8]


async def test_download_without_a_video_says_what_to_do(account):
    project = account.add_project()

    with pytest.raises(InvalidProjectState, match=f"eversince resume {project.id}"):
        await download_(project.id)


async def test_cancel_stops_a_project(account, capsys):
    project = account.add_project(status="running")

    await cancel_(project.id, as_json=True)

    assert {"id": project.id, "status": "cancelled"} == json.loads(capsys.readouterr().out)


async def test_credits_come_with_where_to_buy(account, capsys):
    await credits_()

    balance, *offers = capsys.readouterr().out.splitlines()
    assert "1450 credits" == balance
    assert all(offer.split("\t")[2].startswith("https://") for offer in offers)
    assert offers


# -- The doctor -------------------------------------------------------------------------------------------


async def test_the_doctor_finds_a_healthy_set_up(account, capsys):
    assert ExitCode.DONE == await doctor_(as_json=True)
    assert {"ok"} == {finding["verdict"] for finding in json.loads(capsys.readouterr().out)}


async def test_the_doctor_finds_a_wrong_key(account, monkeypatch, capsys):
    monkeypatch.setenv("EVERSINCE_API_KEY", "es_live_wrong")

    assert ExitCode.CONFIGURATION == await doctor_()
    assert "bad   server" in capsys.readouterr().out


async def test_the_doctor_finds_a_bad_address(account, monkeypatch, capsys):
    monkeypatch.setenv("EVERSINCE_BASE_URL", "eversince.ai")

    assert ExitCode.CONFIGURATION == await doctor_()
    assert "bad   address: base_url must be an absolute https URL" in capsys.readouterr().out


async def test_the_doctor_finds_no_key(account, monkeypatch, capsys):
    monkeypatch.delenv("EVERSINCE_API_KEY")

    assert ExitCode.CONFIGURATION == await doctor_()
    assert "bad   key: no API key" in capsys.readouterr().out


async def test_the_doctor_minds_too_few_credits(account, capsys):
    account.account.credits = 3

    assert ExitCode.DONE == await doctor_()
    assert "note  credits: 3, too few" in capsys.readouterr().out


# -- Plain http -------------------------------------------------------------------------------------------


def test_the_doctor_refuses_plain_http_to_another_machine(monkeypatch, capsys):
    monkeypatch.setenv("EVERSINCE_API_KEY", "es_live_x")
    monkeypatch.setenv("EVERSINCE_BASE_URL", "http://api.example/api/v1")

    assert ExitCode.CONFIGURATION == main(["doctor"])
    assert "without encryption" in capsys.readouterr().out


@pytest.mark.parametrize("before", [None, "0"])
def test_a_command_may_be_told_that_plain_http_is_right(before, monkeypatch, capsys):
    """The option holds for one command only."""
    monkeypatch.setenv("EVERSINCE_API_KEY", "es_live_x")
    monkeypatch.setenv("EVERSINCE_BASE_URL", "http://host.invalid/api/v1")
    if before is not None:
        monkeypatch.setenv("EVERSINCE_ALLOW_HTTP", before)

    async def server():
        async with connect() as eversince:
            return ExitCode.DONE, [doctor.Finding("server", "ok", repr(eversince))]

    monkeypatch.setattr(doctor, "_server", server)

    assert ExitCode.DONE == main(["doctor", "--allow-http"])
    assert "<Eversince http://host.invalid/api/v1>" in capsys.readouterr().out
    assert before == os.environ.get("EVERSINCE_ALLOW_HTTP")


def test_what_stands_behind_two_dashes_is_no_option():
    assert (["--", "--allow-http"], False) == _without_allow_http(["--", "--allow-http"])
    assert (["a", "--", "b"], True) == _without_allow_http(["--allow-http", "a", "--", "b"])
