"""Reading a request's target by hand, so that no odd path or query is anybody else's business."""

from urllib.parse import parse_qsl, unquote

import attrs

BASE = "/api/v1"
"""Path below which the API lives."""


@attrs.frozen
class RequestTarget:
    """What a request asks for.

    Attributes:
        path: The path as sent, without the query.
        query: The query as sent.
    """

    path: str
    query: str

    @classmethod
    def of(cls, raw: str) -> "RequestTarget":
        """The target of a request line, also one in absolute form."""
        if raw[:7].lower() in {"http://", "https:/"}:
            raw = "/" + raw.split("/", 3)[3] if raw.count("/") >= 3 else "/"
        path, _, query = raw.partition("?")
        return cls(path, query)

    @property
    def api_path(self) -> str | None:
        """The path below the base URL; None outside the API."""
        if self.path == BASE or self.path.startswith(BASE + "/"):
            return self.path[len(BASE) :]
        return None

    def parts(self, path: str) -> list[str] | None:
        """The decoded parts of a path; None if one is not UTF-8."""
        try:
            return [unquote(part, errors="strict") for part in path.split("/")[1:]]
        except UnicodeDecodeError:
            return None

    def parameters(self) -> dict[str, str] | None:
        """The query's parameters, the last of several counting; None if they cannot be read."""
        if not self.query:
            return {}
        try:
            return dict(parse_qsl(self.query, keep_blank_values=True, errors="strict", max_num_fields=1000))
        except ValueError:  # too many, or not UTF-8
            return None
