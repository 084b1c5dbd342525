"""Chromium without a window, driven over its DevTools protocol: what a person does with a page."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
from applications import real_seconds

CHROMIUM: Final = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
FLAGS: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--remote-debugging-port=0", "--hide-scrollbars",
)  # fmt: skip


class PageError(Exception):
    """The browser could not do it; while a page loads, much cannot be done."""


class Page:
    """One page.

    Attributes:
        complaints: Errors and warnings of its scripts and its network.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.complaints: list[str] = []
        self._socket = socket
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def listen(self) -> None:
        """Take in what the browser says, until it is gone."""
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said:
                self._answers.pop(said["id"]).set_result(said)
            elif said["method"] == "Runtime.exceptionThrown":
                self.complaints.append(said["params"]["exceptionDetails"]["text"])
            elif said["method"] == "Log.entryAdded":
                self.complaints.append(said["params"]["entry"]["text"])

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol."""
        number = len(self._answers) + 1
        while number in self._answers:
            number += 1
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        said = await answer
        if "error" in said:
            raise PageError(said["error"])
        return said["result"]

    async def see(self, expression: str) -> Any:
        """The value of an expression of JavaScript, awaited if it is a promise."""
        said = await self.call(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        if "exceptionDetails" in said:
            raise PageError(said["result"].get("description", said))
        return said["result"].get("value")

    async def until(self, expression: str, *, seconds: float = 20.0) -> None:
        """Wait until something holds, in real seconds."""
        ends_at = asyncio.get_running_loop().time() + seconds * real_seconds()
        while True:
            trouble = None
            try:
                if await self.see(expression):
                    return
            except PageError as error:
                trouble = error
            if asyncio.get_running_loop().time() > ends_at:
                raise AssertionError(f"not within {seconds:g} s: {expression}") from trouble
            await asyncio.sleep(0.05 * real_seconds())

    async def press(self, key: str) -> None:
        """Press a key such as Tab."""
        code = {"Tab": 9, "Enter": 13}[key]
        text = "\r" if key == "Enter" else ""
        for kind in ("keyDown", "keyUp"):
            await self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, text=text
            )

    async def type(self, text: str) -> None:
        """Type into whatever has the focus."""
        await self.call("Input.insertText", text=text)

    async def click(self, selector: str) -> None:
        """Click into the middle of an element."""
        x, y = await self.see(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView();"
            " const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def picture(self, path: Path) -> None:
        """Take a picture of the whole page."""
        said = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(said["data"]))

    async def names(self, role: str) -> list[str]:
        """What a screen reader calls the elements of a role."""
        nodes = (await self.call("Accessibility.getFullAXTree"))["nodes"]
        return [
            node.get("name", {}).get("value", "")
            for node in nodes
            if not node["ignored"] and node["role"]["value"] == role
        ]


class Browser:
    """A browser nobody has used before.

    Args:
        http: To talk to it with.
        port: Where it listens.
    """

    def __init__(self, http: aiohttp.ClientSession, port: str) -> None:
        self._http = http
        self._devtools = f"http://127.0.0.1:{port}/json"

    @asynccontextmanager
    async def tab(self) -> AsyncIterator[Page]:
        """An empty page in a tab of its own."""
        async with self._http.put(f"{self._devtools}/new?about:blank") as answer:
            address = (await answer.json(content_type=None))["webSocketDebuggerUrl"]
        async with self._http.ws_connect(address, max_msg_size=0) as socket:
            page = Page(socket)
            listening = asyncio.create_task(page.listen())
            for domain in ("Page", "Runtime", "Log", "Accessibility"):
                await page.call(f"{domain}.enable")
            try:
                yield page
            finally:
                listening.cancel()
                await asyncio.wait([listening])


@asynccontextmanager
async def browser(folder: Path, *, width: int = 1200, height: int = 900) -> AsyncIterator[Browser]:
    """Start a browser, and end it with the block."""
    assert CHROMIUM is not None
    process = await asyncio.create_subprocess_exec(
        CHROMIUM,
        *FLAGS,
        f"--user-data-dir={folder}",
        f"--window-size={width},{height}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        port = await _port(folder / "DevToolsActivePort", process)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as http:
            yield Browser(http, port)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _port(told: Path, process: asyncio.subprocess.Process) -> str:
    """Where it listens; Chromium writes that into a file when it is ready."""
    while not told.exists() or "\n" not in told.read_text():
        assert process.returncode is None, "Chromium ended at once"
        await asyncio.sleep(0.05 * real_seconds())
    return told.read_text().split("\n")[0]
