"""Decoding of response bodies, bounded in size, in any supported encoding."""

import zlib
from collections.abc import Iterator
from typing import Final

import aiohttp

MAX_RESPONSE_BYTES: Final = 32 * 1024 * 1024
"""Bytes of a decoded response, unless the client sets another limit.

A timeline has some 60 KB.
"""

MAX_ERROR_BYTES: Final = 64 * 1024
"""Bytes that are read of an error response; the rest stays unread."""

ACCEPT_ENCODING: Final = "gzip, deflate"
"""The encodings that responses may have.

The standard library decodes these in pieces of a size that we choose.
"""

MAX_MEMBERS: Final = 1000
"""Gzip members of one body; usually there is one.

Each member costs time, even an empty one.
"""

_PIECE: Final = 256 * 1024
_WINDOWS: Final = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class BodyTooLarge(Exception):
    """A body that is larger than the limit.

    Attributes:
        start: The first bytes of the body, up to the limit.
    """

    def __init__(self, start: bytes) -> None:
        self.start = start


class BodyUnreadable(Exception):
    """A body that cannot be decoded."""


async def read_body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Read and decode a body, up to a limit.

    If the body was not read to its end, the connection is not used again.

    Args:
        response: A response to a request that was sent with `auto_decompress=False`.
        limit: The largest size of the decoded body, in bytes.

    Raises:
        BodyTooLarge: The decoded body is larger than the limit.
        BodyUnreadable: The body is damaged, or its encoding was not requested.
        aiohttp.ClientPayloadError: The connection ended before the body did.
    """
    body = bytearray()
    content = response.content
    try:
        decode = _decoder(response.headers.get("Content-Encoding", ""))
        while not content.at_eof():
            for piece in decode.pieces(await content.readany()):
                body += piece
                if len(body) > limit:
                    raise BodyTooLarge(bytes(body[:limit]))
        decode.end()
    except zlib.error as error:
        raise BodyUnreadable(f"it cannot be unpacked: {error}") from None
    finally:
        if not content.at_eof():
            response.close()
    return bytes(body)


def unpack(head: bytes, encodings: str, limit: int) -> bytes:
    """Decode the first bytes of a body, up to a limit.

    Returns the bytes unchanged if they cannot be decoded.

    Args:
        head: The first bytes of the body.
        encodings: The `Content-Encoding` of the body.
        limit: The largest number of decoded bytes to return.
    """
    try:
        return next(iter(_decoder(encodings).pieces(head)), b"")[:limit]
    except (BodyUnreadable, zlib.error):
        return head


class _Plain:
    """A decoder for a body without an encoding."""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield the decoded bytes in pieces of limited size."""
        yield data

    def end(self) -> None:
        """Raise `BodyUnreadable` if the body is incomplete at its end."""


class _Packed(_Plain):
    """A decoder for a body packed by zlib.

    A gzip body may have several members, one after the other.
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._window = _WINDOWS[encoding]
        self._unpacking = zlib.decompressobj(self._window)
        self._is_empty = True
        self._members = 1

    def pieces(self, data: bytes) -> Iterator[bytes]:
        if self._is_empty and self._encoding == "deflate" and data and data[0] & 0x0F != zlib.DEFLATED:
            self._unpacking = zlib.decompressobj(-zlib.MAX_WBITS)  # some servers omit the zlib header
        self._is_empty = self._is_empty and not data
        piece = b""
        while data or len(piece) == _PIECE:
            if self._unpacking.eof:
                if not data.strip(b"\0"):  # padding
                    return
                self._members += 1
                if self._members > MAX_MEMBERS:
                    raise BodyUnreadable(f"its {self._encoding} is packed in more than {MAX_MEMBERS:,} parts")
                self._unpacking = zlib.decompressobj(self._window)
            piece = self._unpacking.decompress(data, _PIECE)
            yield piece
            data = self._unpacking.unconsumed_tail or self._unpacking.unused_data

    def end(self) -> None:
        if not self._is_empty and not self._unpacking.eof:
            raise BodyUnreadable(f"its {self._encoding} ends too early")


def _decoder(encodings: str) -> _Plain:
    wanted = [name for each in encodings.lower().split(",") if (name := each.strip()) not in {"", "identity"}]
    if not wanted:
        return _Plain()
    if len(wanted) > 1 or wanted[0] not in _WINDOWS:
        raise BodyUnreadable(f"it is packed with {encodings[:100]!r}, which was not asked for")
    return _Packed(wanted[0])
