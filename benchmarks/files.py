"""Cost of moving a file, next to bare aiohttp with equal bytes.

    python benchmarks/files.py [megabytes] [rounds]

A store in a separate process receives PUTs and serves GETs on loopback. Only the CPU time of this process is
counted; the ratio is computed for each round. The loop's longest stall and the growth of the peak memory are
shown for this package only.
"""

import asyncio
import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
from aiohttp import web

from eversince_async._wire.addresses import AddressPolicy
from eversince_async.resources._sources import open_source
from eversince_async.session.retry import RetryPolicy
from eversince_async.transfers.download import NamedUrl, download
from eversince_async.transfers.store import Store

CHUNK = 1 << 20


def serve(port, size):
    async def take(request):
        async for _ in request.content.iter_any():
            pass
        return web.Response()

    async def give(request):
        response = web.StreamResponse(headers={"Content-Length": str(size), "ETag": '"video"'})
        await response.prepare(request)
        piece = bytes(CHUNK)
        for _ in range(size // CHUNK):
            await response.write(piece)
        return response

    async def main():
        app = web.Application(client_max_size=1 << 40)
        app.add_routes([web.put("/file", take), web.get("/file", give)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(main())


async def measure(move):
    """Measure one transfer.

    Returns:
        CPU seconds, wall seconds, the loop's longest stall, and growth of the peak memory in MiB.
    """
    stall = 0.0

    async def watch():
        nonlocal stall
        while True:
            start = time.perf_counter()
            await asyncio.sleep(0.001)
            stall = max(stall, time.perf_counter() - start - 0.001)

    watching = asyncio.create_task(watch())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cpu, wall = time.process_time(), time.perf_counter()
    await move()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    watching.cancel()
    return cpu, wall, stall, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024


async def main(megabytes, rounds):
    size = megabytes << 20
    parent, child = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(child, size), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{parent.recv()}/file"
    shm = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=shm) as folder:
        film = Path(folder, "film.mp4")
        film.write_bytes(bytes(size))
        target = Path(folder, "copy.mp4")
        store = Store(AddressPolicy(https_only=False, allows_private=True))
        async with aiohttp.ClientSession() as bare:

            async def bare_put():
                with film.open("rb") as file:
                    async with bare.put(url, data=file, headers={"Content-Type": "video/mp4"}):
                        pass

            async def our_put():
                source = await open_source(film, name=None, content_type=None, size=None)
                await store.put(url, source.open, size=size, content_type="video/mp4", endpoint="uploads.put")

            async def bare_get():
                async with bare.get(url) as response:
                    with target.open("wb") as file:
                        async for chunk in response.content.iter_any():
                            file.write(chunk)

            async def one_url():
                return NamedUrl("assembled_url", url)

            async def our_get():
                await download(store, one_url, target, retry=RetryPolicy())

            cases = {"upload": (bare_put, our_put, 0.85), "download": (bare_get, our_get, 0.95)}
            print(
                f"{'case':<10}{'bare CPU s':>12}{'ours CPU s':>12}{'CPU x':>8}{'target':>8}{'MB/s x':>8}"
                f"{'stall ms':>10}{'peak +MiB':>11}"
            )
            for name, (reference, contender, goal) in cases.items():
                await measure(contender)
                pairs = [(await measure(reference), await measure(contender)) for _ in range(rounds)]
                cpu = statistics.median(own[0] / other[0] for other, own in pairs)
                pace = statistics.median(other[1] / own[1] for other, own in pairs)
                print(
                    f"{name:<10}{statistics.median(p[0][0] for p in pairs):>12.3f}"
                    f"{statistics.median(p[1][0] for p in pairs):>12.3f}{cpu:>8.2f}{goal:>8.2f}{pace:>8.2f}"
                    f"{max(p[1][2] for p in pairs) * 1000:>10.1f}{max(p[1][3] for p in pairs):>11.1f}"
                )
        await store.aclose()
    server.terminate()


if __name__ == "__main__":
    asyncio.run(main(*(int(arg) for arg in sys.argv[1:])) if len(sys.argv) > 2 else main(200, 5))
