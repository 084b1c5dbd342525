"""Parsing a request's target by hand.

No odd path or query then reaches other code.
"""

from urllib.parse import parse_qsl, unquote

import attrs

BASE = "/api/v1"
"""Path below which the API is served."""


@attrs.frozen
class RequestTarget:
    """The target of a request.

    Attributes:
        path: The path as sent, without the query.
        query: The query as sent.
    """

    path: str
    query: str

    @classmethod
    def of(cls, raw: str) -> "RequestTarget":
        """Parse the target of a request line, also in absolute form."""
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
        """Return the decoded parts of a path, or None without valid UTF-8."""
        try:
            return [unquote(part, errors="strict") for part in path.split("/")[1:]]
        except UnicodeDecodeError:
            return None

    def parameters(self) -> dict[str, str] | None:
        """Return the query's parameters, or None if they are unreadable.

        Of several parameters with one name the last counts.
        """
        if not self.query:
            return {}
        try:
            return dict(parse_qsl(self.query, keep_blank_values=True, errors="strict", max_num_fields=1000))
        except ValueError:  # too many, or not UTF-8
            return None
