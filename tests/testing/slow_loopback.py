"""Send a body over a slow loopback, and print its virtual seconds.

`test_traffic.py` runs this script in a separate network, where the loopback has a limited rate.
"""

import asyncio

from eversince_async.testing import run

SIZE = 500_000


async def main() -> float:
    loop = asyncio.get_running_loop()
    received: asyncio.Future[int] = loop.create_future()

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.set_result(len(await reader.read()))
        writer.close()

    async def tick() -> None:
        while True:
            await asyncio.sleep(10)

    async with await asyncio.start_server(swallow, "127.0.0.1", 0) as server:
        ticking = asyncio.create_task(tick())
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(bytes(SIZE))
        writer.close()
        assert SIZE == await received
        ticking.cancel()
    return loop.time()


if __name__ == "__main__":
    print(run(main()))  # noqa: T201 - the output of this script
