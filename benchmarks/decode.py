"""Cost of decoding a response into models, compared with parsing alone.

Usage: python benchmarks/decode.py [rounds]

Prints microseconds and the ratio to `orjson.loads` on the same bytes. The contenders take turns within each
round, and a ratio is the median over the rounds, so that a busy machine slows all of them alike.
"""

import importlib
import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from types import UnionType
from typing import Any, get_args, get_origin

import orjson
from cattrs.preconf.orjson import make_converter

from eversince_async._wire.converter import structure
from eversince_async._wire.json_codec import loads
from eversince_async.models import Project, ProjectPage, Timeline

TARGETS = {"project": 3.5, "timeline of 60 scenes": 3.0, "page of 100 projects": 3.5}


def project() -> dict[str, Any]:
    return {
        "id": "proj_5f0c1b7e9a3d4c2b",
        "status": "idle",
        "mode": "autonomous",
        "output_type": "assembled",
        "assembled_url": "https://cdn.eversince.ai/renders/proj_5f0c1b7e9a3d4c2b/final.mp4?X-Amz-Signature=3f1c9a0b",
        "assembled_url_expires_at": "2025-03-16T10:30:00Z",
        "project_url": "https://eversince.ai/app/projects/5f0c1b7e-9a3d-4c2b-8e1f-0a1b2c3d4e5f",
        "agent_message": "Your project is complete. 4 scenes ready for review, with music, captions, a card.",
        "variation_id": "var_0a1b2c3d",
        "created_at": "2025-03-15T10:30:00Z",
        "updated_at": "2025-03-15T10:35:00Z",
    }


def page() -> dict[str, Any]:
    summary = {
        "id": "proj_5f0c1b7e9a3d4c2b",
        "source_project_id": None,
        "status": "generating",
        "mode": "autonomous",
        "title": "Ceramic mug, launch",
        "brief": "A 15-second launch film for a hand-made ceramic mug. Morning light, steam, slow camera. "
        * 2,
        "expected_output": "assembled",
        "assembled_url": "https://cdn.eversince.ai/renders/proj_5f0c1b7e9a3d4c2b/final.mp4",
        "project_url": "https://eversince.ai/app/projects/5f0c1b7e-9a3d-4c2b-8e1f-0a1b2c3d4e5f",
        "created_at": "2025-03-15T10:30:00Z",
        "updated_at": "2025-03-15T10:35:00Z",
    }
    projects = [{**summary, "id": f"proj_{number:016x}"} for number in range(100)]
    return {"projects": projects, "total": 420, "limit": 100, "offset": 0}


def timeline() -> dict[str, Any]:
    scenes = [
        {
            "id": f"scene_{number:03}",
            "ref": f"{number:08x}",
            "type": "video",
            "position": number,
            "duration": 4.5,
            "description": "Close on the rim of the mug while steam rises into the morning light",
            "image_url": f"https://cdn.eversince.ai/assets/5f0c1b7e9a3d4c2b/images/{number:08x}.png",
            "video_url": f"https://cdn.eversince.ai/assets/5f0c1b7e9a3d4c2b/videos/{number:08x}.mp4",
            "video_model": "kling-3.0",
            "image_model": "nano-banana-pro",
            "prompt": "Macro shot of a hand-made ceramic mug, soft window light, shallow depth of field. "
            * 5,
            "volume": 1,
            "fade_in": 0.5,
            "fade_out": None,
        }
        for number in range(60)
    ]
    tracks = [
        {
            "id": f"track_{number:03}",
            "type": "voiceover",
            "url": f"https://cdn.eversince.ai/assets/5f0c1b7e9a3d4c2b/audio/{number:08x}.mp3",
            "duration": 12.5,
            "volume": 100,
            "start_time": 0.5,
            "name": "Main narration",
            "voice": "Isabella",
            "voice_id": "voice_001",
            "language": "en",
            "script": "Some mornings ask for nothing but a good mug and a little time to hold it.",
        }
        for number in range(12)
    ]
    overlays = [
        {
            "id": f"text-{number}",
            "type": "text",
            "content": "Made by hand",
            "start_time": 12.0,
            "duration": 3.0,
            "position": "bottom-center",
            "font_size": 48,
            "color": "#FFFFFF",
            "background_color": "rgba(0,0,0,0.5)",
        }
        for number in range(10)
    ]
    return {
        "duration_seconds": 270.0,
        "aspect_ratio": "16:9",
        "craft": None,
        "scenes": scenes,
        "audio": {"voiceover": None, "music": None, "tracks": tracks},
        "overlays": overlays,
        "captions": {"enabled": True, "preset": "clean"},
    }


def stock_cattrs() -> Callable[[bytes, type[Any]], Any]:
    """Return a reader that uses cattrs' own conversion of the same classes.

    It has only the hooks without which cattrs could not read the classes.
    """
    converter = make_converter(detailed_validation=False)

    @converter.register_structure_hook
    def _read_time(value: Any, _: type[datetime]) -> datetime:
        return datetime.fromisoformat(value)

    def is_open_enum(cls: Any) -> bool:
        choices = get_args(cls) if get_origin(cls) is UnionType else ()
        return any(isinstance(choice, type) and issubclass(choice, Enum) for choice in choices)

    converter.register_structure_hook_func(is_open_enum, lambda value, _: value)
    return lambda body, cls: converter.loads(body, cls)


def contenders(body: bytes, cls: type[Any]) -> dict[str, Callable[[], Any]]:
    stock = stock_cattrs()
    found: dict[str, Callable[[], Any]] = {
        "orjson.loads": lambda: orjson.loads(body),
        "eversince_async": lambda: structure(loads(body), cls),
        "stock cattrs, orjson": lambda: stock(body, cls),
        "json.loads": lambda: json.loads(body),
    }
    if found["eversince_async"]() is None:
        raise SystemExit("nothing was read")
    return found


def measure(runs: dict[str, Callable[[], Any]], rounds: int, number: int) -> dict[str, list[float]]:
    """Return each contender's CPU seconds for one call, for each round."""
    timings: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            begin = time.process_time()
            for _ in range(number):
                run()
            timings[name].append((time.process_time() - begin) / number)
    return timings


def report(title: str, runs: dict[str, Callable[[], Any]], size: int, rounds: int) -> bool:
    number = max(20, 2_000_000 // (size + 500) // 4)
    measure(runs, 1, number)  # warm up: readers are generated on first use
    timings = measure(runs, rounds, number)
    print(f"{title}, {size:,} bytes")
    ratios = {}
    for name, seconds in timings.items():
        pairs = zip(seconds, timings["orjson.loads"], strict=True)
        ratios[name] = statistics.median(ours / theirs for ours, theirs in pairs)
        print(f"  {name:22} {min(seconds) * 1e6:9.2f} µs  {ratios[name]:6.2f} x")
    return ratios["eversince_async"] <= TARGETS[title]


def import_cost() -> None:
    """Print the time to import the models that a first GET needs.

    The figure is correct only in a fresh process.
    """
    for name in [name for name in sys.modules if name.startswith("eversince_async.models")]:
        del sys.modules[name]
    begin = time.perf_counter()
    importlib.import_module("eversince_async.models.projects")
    print(f"import of eversince_async.models.projects: {(time.perf_counter() - begin) * 1e3:.1f} ms")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    met = True
    for title, data, cls in (
        ("project", project(), Project),
        ("timeline of 60 scenes", timeline(), Timeline),
        ("page of 100 projects", page(), ProjectPage),
    ):
        body = orjson.dumps(data)
        runs = contenders(body, cls)
        # A busy machine gets a second, longer chance before it is called slow.
        met &= report(title, runs, len(body), rounds) or report(title, runs, len(body), 3 * rounds)
    import_cost()
    if not met:
        raise SystemExit(f"missed: {TARGETS}")


if __name__ == "__main__":
    main()
