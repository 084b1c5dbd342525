"""The documents' curl examples against `python -m eversince_async.emulator`, as a reader would run them.

They are in `curl/` word for word. Only the base URL and the key are changed, and, in the one example that
says so itself, the URL of its first step.
"""

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from eversince_async.emulator import API_KEY, Emulator

EXAMPLES = Path(__file__).with_name("curl")
DOCUMENTED = "https://eversince.ai/api/v1"

pytestmark = [
    pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash"),
    pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl"),
]
needs_jq = pytest.mark.skipif(shutil.which("jq") is None, reason="there is no jq, which this example uses")


@attrs.frozen
class Reader:
    """Somebody who tries the examples in a folder of their own.

    Attributes:
        base_url: Of their emulator.
        folder: Where they are.
    """

    base_url: str
    folder: Path

    def runs(self, example: str, **replaced: str) -> tuple[list[Any], list[str]]:
        """Run an example; give the JSON documents it printed, and the status of each request."""
        script = (EXAMPLES / example).read_text(encoding="utf-8").replace(DOCUMENTED, self.base_url)
        for old, new in replaced.items():
            assert old in script
            script = script.replace(old, new)
        # The one thing added: curl tells each status, on the side.
        (self.folder / ".curlrc").write_text('silent\nwrite-out = "%{stderr}%{http_code}\\n"\n')
        environment = {
            **os.environ,
            "EVERSINCE_API_KEY": API_KEY,
            "CURL_HOME": str(self.folder),
            "no_proxy": "*",
        }
        run = subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=180,
        )
        return list(documents(run.stdout)), run.stderr.split()


def documents(text: str) -> Iterator[Any]:
    """The JSON documents that stand behind one another in a text."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        document, at = decoder.raw_decode(text, at)
        yield document
        while at < len(text) and text[at].isspace():
            at += 1


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of an emulator that knows the project of the examples, idle."""
    path = tmp_path_factory.mktemp("state") / "emulator.db"

    async def furnish() -> str:
        async with Emulator(state=path) as emulator:
            return emulator.add_project("Your brief here").id

    project_id = asyncio.run(furnish())
    with sqlite3.connect(path) as database:
        database.execute(
            "UPDATE state SET id = replace(id, ?, 'proj_abc123'), value = replace(value, ?, 'proj_abc123')",
            (project_id, project_id),
        )
    database.close()
    return path


@pytest.fixture
def reader(state: Path, tmp_path: Path) -> Iterator[Reader]:
    shutil.copy(state, tmp_path / "emulator.db")
    command = [sys.executable, "-m", "eversince_async.emulator", "--state", "emulator.db"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as emulator:
        assert emulator.stdout is not None
        base_url = emulator.stdout.readline().rpartition(" ")[2].strip()
        try:
            yield Reader(base_url, tmp_path)
        finally:
            emulator.terminate()


CREATED = {"id", "status", "mode", "project_url", "credits_balance", "created_at"}
STATUS = {
    "id",
    "status",
    "mode",
    "output_type",
    "assembled_url",
    "assembled_url_expires_at",
    "project_url",
    "agent_message",
    "variation_id",
    "created_at",
    "updated_at",
}


def test_quickstart(reader: Reader) -> None:
    """Overview: create a project, look at one, render it."""
    (created, project, rendering), statuses = reader.runs("overview_quickstart.sh")

    assert ["202", "200", "202"] == statuses
    assert CREATED == set(created)
    assert "queued" == created["status"]
    assert STATUS == set(project)
    assert ("proj_abc123", "idle", None) == (project["id"], project["status"], project["assembled_url"])
    assert {"id": "proj_abc123", "status": "rendering", "quality": "1080p"} == rendering


def test_create(reader: Reader) -> None:
    """Projects, "Create a project"."""
    (created,), statuses = reader.runs("projects_create.sh")

    assert ["202"] == statuses
    assert CREATED == set(created)
    assert ("queued", "autonomous") == (created["status"], created["mode"])


def test_message(reader: Reader) -> None:
    """Projects, "Send a message"."""
    (answer,), statuses = reader.runs("projects_message.sh")

    assert ["202"] == statuses
    assert {"id": "proj_abc123", "status": "running"} == answer


@needs_jq
def test_upload(reader: Reader) -> None:
    """Output, "Full upload example"."""
    (reader.folder / "product.jpg").write_bytes(bytes(245_000))
    (confirmed,), statuses = reader.runs("output_upload.sh")

    assert ["200", "200", "201"] == statuses
    assert {"upload_id", "type"} == set(confirmed)
    assert "image" == confirmed["type"]


def test_put(reader: Reader) -> None:
    """Reference, "Step 2: PUT the file": the answer is empty."""
    (reader.folder / "file.jpg").write_bytes(b"12345")
    answer = subprocess.run(
        [
            *("curl", "-s", "-X", "POST", f"{reader.base_url}/uploads"),
            *("-H", f"Authorization: Bearer {API_KEY}", "-H", "Content-Type: application/json"),
            *("-d", '{"file_name": "file.jpg", "content_type": "image/jpeg", "file_size": 5}'),
        ],
        capture_output=True,
        check=True,
    )
    step_1 = json.loads(answer.stdout)
    printed, statuses = reader.runs("reference_put.sh", UPLOAD_URL_FROM_STEP_1=step_1["upload_url"])

    assert {"upload_url", "r2_key", "expires_in"} == set(step_1)
    assert ([], ["200"]) == (printed, statuses)


def test_skill(reader: Reader) -> None:
    """Account, "Create a skill"."""
    (answer,), statuses = reader.runs("account_skill.sh")

    assert ["201"] == statuses
    assert {"skill", "budget"} == set(answer)
    assert {
        "id",
        "name",
        "instructions",
        "is_active",
        "source",
        "characters",
        "sort_order",
        "created_at",
        "updated_at",
    } == set(answer["skill"])
    assert ("Brand Guidelines", "user", True) == (
        answer["skill"]["name"],
        answer["skill"]["source"],
        answer["skill"]["is_active"],
    )
    assert {"used", "limit"} == set(answer["budget"])


def test_every_example_is_run() -> None:
    """One that is added here must not be forgotten."""
    source = Path(__file__).read_text(encoding="utf-8")

    assert [] == [path.name for path in EXAMPLES.iterdir() if path.name not in source]
