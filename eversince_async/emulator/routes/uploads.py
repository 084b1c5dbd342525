"""Uploads: the first and third of their three steps.

The storage handles the second.
"""

import re
import secrets
from typing import Final
from urllib.parse import quote

from eversince_async.emulator.account import Upload
from eversince_async.emulator.call import Answer, Call
from eversince_async.emulator.errors import not_found, validation
from eversince_async.emulator.validation import Fields

_MIB: Final = 2**20
_LARGEST: Final = {"image": 10 * _MIB, "video": 500 * _MIB, "audio": 50 * _MIB}
_TYPES: Final = frozenset(
    [f"image/{name}" for name in ("jpeg", "jpg", "png", "webp")]
    + [f"video/{name}" for name in ("mp4", "webm", "quicktime", "x-msvideo")]
    + [f"audio/{name}" for name in ("mpeg", "mp3", "wav", "mp4", "m4a")]
)
EXPIRES_IN: Final = 3600
"""Seconds for which a presigned URL is valid."""


def ticket(call: Call) -> Answer:
    """Respond to POST /uploads with a presigned URL for the file."""
    fields = call.fields()
    file_name, content_type, file_size = _read_file(fields)
    fields.check()
    safe_name = re.sub(r"[^A-Za-z0-9._-]", "_", file_name)[-100:]
    upload = Upload(
        r2_key=f"uploads/{secrets.token_hex(8)}/{safe_name}",
        file_name=file_name,
        content_type=content_type,
        file_size=file_size,
        expires_at=call.now + EXPIRES_IN,
    )
    call.account.uploads[upload.r2_key] = upload
    call.world.uploads[upload.r2_key] = (call.account, upload)
    call.world.touch(call.account)
    path = call.world.signer.sign(f"/storage/{quote(upload.r2_key)}", upload.expires_at, call.now)
    body = {
        "upload_url": call.views.places.storage + path,
        "r2_key": upload.r2_key,
        "expires_in": EXPIRES_IN,
    }
    return Answer(body=body)


def _read_file(fields: Fields) -> tuple[str, str, int]:
    """Read name, type and size, and apply the limits for that type."""
    name = fields.text("file_name", required=True, longest=1024, blank=False) or ""
    kind = fields.text("content_type", required=True, blank=False) or ""
    if kind and kind not in _TYPES:
        fields.problem("content_type", f"content_type must be one of: {', '.join(sorted(_TYPES))}")
    size = fields.integer("file_size", required=True, least=1) or 0
    largest = _LARGEST.get(kind.partition("/")[0])
    if kind in _TYPES and largest is not None and size > largest:
        fields.problem("file_size", f"file_size must be at most {largest} bytes for {kind}")
    return name, kind, size


def confirm(call: Call) -> Answer:
    """Respond to POST /uploads/confirm: 201, or 200 when already confirmed."""
    fields = call.fields()
    r2_key = fields.text("r2_key", required=True, blank=False)
    _, content_type, file_size = _read_file(fields)
    fields.check()
    upload = call.account.uploads.get(r2_key or "")
    if upload is None:
        raise not_found("Upload")
    known = upload.upload_id is not None
    if not known:
        _need_the_file(upload, content_type, file_size)
        upload.upload_id = f"upl_{secrets.token_hex(8)}"
        call.world.confirm(call.account, upload)
    body = {"upload_id": upload.upload_id, "type": upload.kind}
    return Answer(body=body, status=200 if known else 201)


def _need_the_file(upload: Upload, content_type: str, file_size: int) -> None:
    """Refuse to confirm a file that is missing or not as announced."""
    if upload.stored_size is None:
        raise validation("r2_key: no file was uploaded to this key")
    problems = []
    if content_type != upload.content_type:
        problems.append(f"content_type: content_type must be {upload.content_type}, as announced")
    if not file_size == upload.file_size == upload.stored_size:
        problems.append(
            f"file_size: file_size must be what was announced and uploaded "
            f"({upload.file_size} and {upload.stored_size} bytes)"
        )
    if problems:
        raise validation("; ".join(problems))
