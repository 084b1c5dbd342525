"""Real, playable media: videos as MP4, pictures as PNG, sound as WAV.

Every piece consists of a few constant segments and perhaps some padding. Any range of a piece is generated on
the spot without holding the piece in memory, even for a video padded to gigabytes.
"""

import hashlib
import io
import math
import struct
import wave
import zlib
from collections.abc import Iterator
from functools import lru_cache
from importlib import resources

import attrs

_BLOCK = 64 * 1024


@attrs.frozen
class Piece:
    """One file of the storage.

    Attributes:
        content_type: MIME type.
        content: The bytes before the padding.
        padding: Number of further bytes: a fixed pattern, so that a wrongly joined download is noticed.
    """

    content_type: str
    content: bytes
    padding: int = 0

    @property
    def size(self) -> int:
        """The total number of bytes."""
        return len(self.content) + self.padding

    @property
    def etag(self) -> str:
        """A strong validator: the same tag means the same bytes."""
        return f'"{zlib.crc32(self.content):08x}-{self.size:x}"'

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes from start up to stop in blocks."""
        for at in range(start, min(stop, len(self.content)), _BLOCK):
            yield self.content[at : min(at + _BLOCK, stop)]
        at = max(start, len(self.content))
        while at < stop:
            place = (at - len(self.content)) % _BLOCK
            block = _pattern()[place : place + stop - at]
            yield block
            at += len(block)


@lru_cache(maxsize=1)
def _pattern() -> bytes:
    """Return a block without repeats, the same in every process."""
    return hashlib.shake_128(b"eversince emulator").digest(_BLOCK)


@lru_cache(maxsize=8)
def clip(aspect_ratio: str) -> bytes:
    """Return the clip of an aspect ratio; 16:9 for unknown ones."""
    folder = resources.files(__name__)
    wanted = folder / f"{aspect_ratio.replace(':', 'x')}.mp4"
    return (wanted if wanted.is_file() else folder / "16x9.mp4").read_bytes()


def film(aspect_ratio: str, mark: str, size: int | None = None) -> Piece:
    """Build a video that differs from every other.

    Args:
        aspect_ratio: E.g. "9:16".
        mark: Text that makes the video unique, e.g. the project and the number of the render.
        size: Size in bytes to pad the video to, with a box that players skip; None for no padding. A size
            that is too small for the clip itself is ignored.
    """
    content = clip(aspect_ratio) + _box(mark.encode(), 0)
    missing = (size or 0) - len(content) - 16
    if missing <= 0:
        return Piece("video/mp4", content)
    return Piece("video/mp4", content + struct.pack(">I4sQ", 1, b"free", missing + 16), missing)


def _box(payload: bytes, padding: int) -> bytes:
    return struct.pack(">I4s", 8 + len(payload) + padding, b"free") + payload


@lru_cache(maxsize=256)
def picture(mark: str, aspect_ratio: str) -> Piece:
    """Build a picture of two colours that depend on the mark."""
    wide, high = (int(part) for part in aspect_ratio.split(":"))
    width, height = (320, 320 * high // wide) if wide >= high else (320 * wide // high, 320)
    seed = hashlib.sha256(mark.encode()).digest()
    above, below = seed[:3], seed[3:6]
    rows = bytearray()
    for row in range(height):
        colour = bytes((a * (height - row) + b * row) // height for a, b in zip(above, below, strict=True))
        rows += b"\0" + colour * width
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(rows), 6)), (b"IEND", b""))
    return Piece("image/png", b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(*part) for part in parts))


def _png_chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


@lru_cache(maxsize=64)
def sound(mark: str, seconds: float = 2.0) -> Piece:
    """Build a tone of at most eight seconds, pitched by the mark."""
    pitch = 180 + hashlib.sha256(mark.encode()).digest()[0]
    rate = 8_000
    samples = (
        int(9_000 * math.sin(2 * math.pi * pitch * at / rate)) for at in range(int(min(seconds, 8.0) * rate))
    )
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return Piece("audio/wav", out.getvalue())
