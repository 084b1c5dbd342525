"""The connections of a client, bound to one loop and one process."""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from eversince_async.errors import ConfigurationError

if TYPE_CHECKING:
    import aiohttp

_INHERITED_SESSIONS: Final["list[aiohttp.ClientSession]"] = []
"""Sessions that this process inherited from its parent by a fork.

If they were collected, their sockets would be removed from a poll that still belongs to the parent. So they
are kept until this process ends.
"""


class LazySession:
    """An aiohttp session that is opened on first use.

    The session is bound to the event loop in which it was opened.
    """

    def __init__(self, open_session: "Callable[[], aiohttp.ClientSession]") -> None:
        self._open_session = open_session
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0

    @property
    def is_open(self) -> bool:
        """True if this process has a session to close."""
        return self._session is not None and self._process == os.getpid()

    def get(self) -> "aiohttp.ClientSession":
        """Return the session of the running loop; open it if necessary.

        Raises:
            ConfigurationError: The session is open in the parent process, or on another loop that is not
                closed.
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
            self._session = None  # the loop is closed, and so are its sockets
        if self._session is None:
            self._session, self._loop, self._process = self._open_session(), loop, os.getpid()
        return self._session

    async def aclose(self) -> None:
        """Close the session if one is open; the next use opens another."""
        session, self._session = self._session, None
        if session is None:
            return
        if self._process != os.getpid():
            _INHERITED_SESSIONS.append(session)
        elif self._loop is not None and self._loop.is_closed():
            with suppress(RuntimeError):  # the loop takes no callbacks; the sockets are closed by now
                await session.close()
        else:
            await session.close()
