"""Reading `references`, for creating a project and for sending a message."""

from typing import Any

from eversince_async.emulator.call import Call
from eversince_async.emulator.errors import not_found
from eversince_async.emulator.validation import Fields, is_http_url

_KINDS = ("image", "video", "audio", "url")


def read_references(call: Call, fields: Fields) -> list[str]:
    """Check the references and return the upload IDs among them.

    Of the ten references at most three may be of type `url`. The documents do not say if direct media URLs
    count too; here they do not (contradictions 12).
    """
    references = fields.array("references", most=10) or []
    uploads = [_read(fields, at, reference) for at, reference in enumerate(references)]
    pages = sum(isinstance(each, dict) and each.get("type") == "url" for each in references)
    if pages > 3:
        fields.problem("references", "references must have at most 3 URLs")
    return [upload for upload in uploads if upload is not None]


def need_uploads(call: Call, upload_ids: list[str]) -> None:
    """Refuse references to uploads that do not exist.

    Raises:
        ApiError: 404; the documents leave open if it is 404 or 400.
    """
    for upload_id in upload_ids:
        if call.account.upload(upload_id) is None:
            raise not_found("Upload")


def _read(fields: Fields, at: int, reference: Any) -> str | None:
    if not isinstance(reference, dict):
        fields.problem(f"references[{at}]", "reference must be an object")
        return None
    inside = fields.within(reference, f"references[{at}]")
    if "upload_id" in inside:
        return inside.text("upload_id", blank=False)
    if "url" not in inside:
        fields.problem(f"references[{at}]", "reference must have an upload_id or a url")
        return None
    url = inside.text("url", required=True)
    if url is not None and not is_http_url(url):
        inside.problem("url", "url must be a valid URL")
    inside.choice("type", _KINDS, required=True)
    return None
