"""What a pseudo terminal shows."""

from __future__ import annotations

import os


def read_all(terminal: int) -> bytes:
    """Read a terminal until its other side is gone, and close it."""
    seen = bytearray()
    try:
        while chunk := os.read(terminal, 65536):
            seen += chunk
    except OSError:  # Linux says so when the other side is gone
        pass
    finally:
        os.close(terminal)
    return bytes(seen)
