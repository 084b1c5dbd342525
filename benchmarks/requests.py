"""CPU cost of a typed call, next to bare aiohttp with orjson.

    python benchmarks/requests.py [rounds]

Both clients move the same bytes in one run. A server in a separate process sends canned bodies; only the CPU
time of this process is counted. The two clients take turns, and the ratio is computed for each round, so that
a machine that slows down slows both. A fair reference needs the `fast` extra.
"""

import asyncio
import json
import multiprocessing
import statistics
import sys
import time

import aiohttp
import orjson

from eversince_async import Eversince, Governor, Limits

PROJECT = {
    "id": "proj_abc123",
    "status": "running",
    "mode": "autonomous",
    "output_type": "pending",
    "assembled_url": None,
    "assembled_url_expires_at": None,
    "project_url": "https://eversince.ai/app/projects/proj_abc123",
    "agent_message": "Planning four scenes: opening, detail, lifestyle and closing shot.",
    "variation_id": "var_001",
    "created_at": "2026-04-16T10:30:00Z",
    "updated_at": "2026-04-16T10:31:00Z",
}
SUMMARY = {
    **{key: PROJECT[key] for key in ("id", "status", "mode", "assembled_url", "project_url")},
    "source_project_id": None,
    "title": "A mug",
    "brief": "x" * 200,
    "expected_output": "assembled",
    "created_at": PROJECT["created_at"],
    "updated_at": PROJECT["updated_at"],
}
SCENE = {
    "id": "scene_001",
    "ref": "a1b2c3d4",
    "type": "video",
    "position": 0,
    "duration": 4.0,
    "description": "d" * 200,
    "image_url": "https://media.example/i.png?signature=" + "s" * 100,
    "video_url": "https://media.example/v.mp4?signature=" + "s" * 100,
    "video_model": "kling-3.0",
    "image_model": "nano-banana-pro",
    "prompt": "p" * 300,
    "volume": 1,
    "fade_in": 0.5,
    "fade_out": None,
}
TIMELINE = {
    "timeline": {
        "duration_seconds": 240.0,
        "aspect_ratio": "16:9",
        "craft": None,
        "scenes": [{**SCENE, "id": f"scene_{n}", "position": n} for n in range(60)],
        "audio": {"voiceover": None, "music": None, "tracks": []},
        "overlays": [],
        "captions": {"enabled": False, "preset": None},
    }
}
PAGE = {
    "projects": [{**SUMMARY, "id": f"proj_{n}"} for n in range(100)],
    "total": 100,
    "limit": 100,
    "offset": 0,
}
BODIES = {
    b"/p/projects/x": PROJECT,
    b"/p/projects/x/timeline": TIMELINE,
    b"/p/projects?limit=100": PAGE,
}


class Canned(asyncio.Protocol):
    """Responds to each request line with its canned body."""

    def connection_made(self, transport):
        self.transport, self.buffer = transport, b""

    def data_received(self, data):
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
            body = json.dumps(BODIES[head.split(b" ", 2)[1]], separators=(",", ":")).encode()
            self.transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: req_1\r\n"
                b"X-RateLimit-Limit: 1000000\r\nX-RateLimit-Remaining: 999999\r\n"
                b"X-RateLimit-Reset: 4102444800\r\nDate: Thu, 16 Apr 2026 10:30:00 GMT\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body) + body
            )


def serve(port):
    async def main():
        server = await asyncio.get_running_loop().create_server(Canned, "127.0.0.1", 0)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


async def cpu_of(call, times, at_once):
    """Return the CPU seconds for `times` calls, `at_once` at a time."""

    async def worker():
        for _ in range(times // at_once):
            await call()

    start = time.process_time()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return time.process_time() - start


async def main(rounds):
    parent, child = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(child,), daemon=True)
    server.start()
    base = f"http://127.0.0.1:{parent.recv()}/p"
    governor = Governor(Limits(requests_per_minute=None))
    async with (
        aiohttp.ClientSession() as bare,
        Eversince("es_live_x", base_url=base, governor=governor) as ours,
    ):

        def bare_get(target):
            async def call():
                async with bare.get(base + target) as response:
                    return orjson.loads(await response.read())

            return call

        cases = {
            "project": (bare_get("/projects/x"), lambda: ours.projects.get("x"), 1.15, 1.20),
            "timeline": (bare_get("/projects/x/timeline"), lambda: ours.content.timeline("x"), 1.70, 1.70),
            "page of 100": (bare_get("/projects?limit=100"), lambda: ours.projects.list(limit=100), 2.0, 2.0),
        }
        print(f"{'case':<14}{'at once':>8}{'bare µs':>10}{'ours µs':>10}{'ratio':>8}{'target':>8}")
        for name, (reference, contender, *targets) in cases.items():
            for at_once, target in zip((1, 50), targets, strict=True):
                times = 500
                await cpu_of(contender, 100, at_once)
                pairs = [
                    (
                        await cpu_of(reference, times, at_once),
                        await cpu_of(contender, times, at_once),
                    )
                    for _ in range(rounds)
                ]
                ratio = statistics.median(own / other for other, own in pairs)
                micros = [statistics.median(side) / times * 1e6 for side in zip(*pairs, strict=True)]
                print(
                    f"{name:<14}{at_once:>8}{micros[0]:>10.0f}{micros[1]:>10.0f}{ratio:>8.2f}{target:>8.2f}"
                )
    server.terminate()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 7))
