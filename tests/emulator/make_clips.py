"""Make the clips in `eversince_async/emulator/media`.

Run this script from the checkout, with PyAV installed.
"""

import math
import struct
from fractions import Fraction
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

SIZES = {"16x9": (320, 180), "9x16": (180, 320), "1x1": (240, 240), "21x9": (336, 144)}
SECONDS, RATE, PITCH = 4, 24, 16_000
HERE = Path(__file__).parents[2] / "eversince_async" / "emulator" / "media"


def picture(width: int, height: int, moment: float) -> VideoFrame:
    """Draw a slow gradient with a disc that goes round."""
    frame = VideoFrame(width, height, "yuv420p")
    turn = 2 * math.pi * moment / SECONDS
    x, y = width * (0.5 + 0.3 * math.cos(turn)), height * (0.5 + 0.3 * math.sin(turn))
    radius = min(width, height) * 0.14
    for at, plane in enumerate(frame.planes):
        scale = 1 if at == 0 else 2
        rows = bytearray(plane.buffer_size)
        for row in range(plane.height):
            for column in range(plane.width):
                inside = math.hypot(column * scale - x, row * scale - y) < radius
                ground = 60 + 60 * row // plane.height if at == 0 else 128 + (12 if at == 1 else -8)
                rows[row * plane.line_size + column] = (225, 96, 168)[at] if inside else ground
        plane.update(bytes(rows))
    return frame


def tone(at: int) -> AudioFrame:
    """Return a quiet A: 1,024 samples from sample `at`."""
    frame = AudioFrame(format="fltp", layout="mono", samples=1024)
    samples = (0.15 * math.sin(2 * math.pi * 220 * (at + i) / PITCH) for i in range(1024))
    frame.planes[0].update(b"".join(struct.pack("<f", sample) for sample in samples))
    frame.sample_rate, frame.pts, frame.time_base = PITCH, at, Fraction(1, PITCH)
    return frame


def make(name: str, width: int, height: int) -> None:
    with av.open(str(HERE / f"{name}.mp4"), "w", options={"movflags": "+faststart"}) as film:
        video = film.add_stream("libx264", rate=RATE)
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.options = {"profile": "baseline", "crf": "28", "preset": "veryslow", "g": "48"}
        audio = film.add_stream("aac", rate=PITCH, layout="mono")
        assert isinstance(audio, AudioStream)
        audio.bit_rate = 16_000
        for at in range(SECONDS * RATE):
            film.mux(video.encode(picture(width, height, at / RATE)))
        for at in range(0, SECONDS * PITCH, 1024):
            film.mux(audio.encode(tone(at)))
        film.mux([*video.encode(None), *audio.encode(None)])


if __name__ == "__main__":
    for name, (width, height) in SIZES.items():
        make(name, width, height)
