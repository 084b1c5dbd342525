"""What belongs to one event loop in one process: the connections of a client."""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from eversince_async.errors import ConfigurationError

if TYPE_CHECKING:
    import aiohttp

_INHERITED_SESSIONS: Final["list[aiohttp.ClientSession]"] = []
"""Sessions that a fork brought along. Collecting them would take their sockets out of a poll that is still
the parent's, so they are kept until this process ends."""


class LazySession:
    """An aiohttp session opened on first use and bound to the event loop it was opened on."""

    def __init__(self, open_session: "Callable[[], aiohttp.ClientSession]") -> None:
        self._open_session = open_session
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0

    @property
    def is_open(self) -> bool:
        """Whether there is something for this process to close."""
        return self._session is not None and self._process == os.getpid()

    def get(self) -> "aiohttp.ClientSession":
        """The session for the running loop.

        Raises:
            ConfigurationError: It is open on another loop that still lives, or in the parent process.
        """
        loop = asyncio.get_running_loop()
        if self._session is not None and self._process != os.getpid():
            raise ConfigurationError(
                "this client was opened before the process forked, and its connections are the parent's; "
                "make one client in each process, after the fork"
            )
        if self._session is not None and self._loop is not loop:
            if self._loop is not None and not self._loop.is_closed():
                raise ConfigurationError(
                    "this client is open on another event loop; make one client for each loop, "
                    "or aclose() it there first"
                )
            self._session = None  # its loop is gone, and its sockets with it
        if self._session is None:
            self._session, self._loop, self._process = self._open_session(), loop, os.getpid()
        return self._session

    async def aclose(self) -> None:
        """Close the session, if one is open; it would be opened again on the next use."""
        session, self._session = self._session, None
        if session is None:
            return
        if self._process != os.getpid():
            _INHERITED_SESSIONS.append(session)
        elif self._loop is not None and self._loop.is_closed():
            with suppress(RuntimeError):  # of what would be called there later; the sockets are closed by now
                await session.close()
        else:
            await session.close()
