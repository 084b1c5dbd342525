"""The two ports of an emulator: the API's and the storage's."""

import attrs
from aiohttp import web

from eversince_async.emulator.connection import Server
from eversince_async.emulator.serializers import UrlBuilder


@attrs.frozen
class Listening:
    """The open ports of a running emulator.

    Attributes:
        places: The origins of API and storage.
    """

    places: UrlBuilder
    _runner: web.ServerRunner

    @classmethod
    async def start(cls, server: Server, host: str, port: int, storage_port: int | None) -> "Listening":
        """Open both ports; on failure none is left open.

        Args:
            server: Server that responds to the requests.
            host: Address to listen on.
            port: Port of the API; 0 for a free one.
            storage_port: Port of the storage; None for the one after the API's if that is free, else any.

        Raises:
            OSError: A port is taken.
        """
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        try:
            await runner.setup()
            api = await _listen(runner, host, port)
            if storage_port is not None or not port:
                storage = await _listen(runner, host, storage_port or 0)
            else:
                storage = await _listen_beside(runner, host, api)
        except BaseException:
            await runner.cleanup()
            raise
        named = f"[{host}]" if ":" in host else host
        return cls(UrlBuilder(f"http://{named}:{api}", f"http://{named}:{storage}"), runner)

    async def stop(self) -> None:
        """Close both ports."""
        await self._runner.cleanup()


async def _listen(runner: web.ServerRunner, host: str, port: int) -> int:
    await web.TCPSite(runner, host, port).start()
    return int(runner.addresses[-1][1])


async def _listen_beside(runner: web.ServerRunner, host: str, api: int) -> int:
    try:
        return await _listen(runner, host, api + 1)
    except OSError:
        return await _listen(runner, host, 0)
