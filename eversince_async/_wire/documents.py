"""What a body is by its first bytes, and the code in the XML that stores refuse with."""

import re
from typing import Final

HEAD: Final = 1024
"""Bytes after which a body that has only been blank is taken for no video either."""

_BLANK: Final = b" \t\r\n\x0b\x0c"
_BYTE_ORDER_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_LITERAL: Final = re.compile(rb"(?:null|true|false|-?[0-9][0-9.eE+-]*)[ \t\r\n]*")
_HTML: Final = re.compile(rb"(?i)<(?:html|!doctype\s+html)")
_ERROR_CODE: Final = re.compile(rb"<Code>\s{0,64}([A-Za-z0-9._-]{1,64})\s{0,64}</Code>")


def is_decided(head: bytes) -> bool:
    """Whether `kind_of_document` can tell already that a body which begins so is none."""
    text = _text(head)
    return len(head) >= HEAD or (bool(text) and text[:1] not in b'<{["ntf-0123456789')


def kind_of_document(head: bytes) -> str | None:
    """What a body is that is no video: `nothing`, `HTML`, `XML` or `JSON`; None for any other.

    No container of videos begins with what these begin with.

    Args:
        head: Its first bytes, as many as `is_decided` asks for, or all of it.
    """
    text = _text(head)
    if not text:
        return "blanks" if head else "nothing"
    if text[:1] == b"<":
        is_xml = text.startswith((b"<?xml", b"<Error")) and not _HTML.search(text)
        return "XML" if is_xml else "HTML"
    return "JSON" if text[:1] in b'{["' or _LITERAL.fullmatch(text) else None


def error_code(head: bytes) -> str | None:
    """The code of a store's refusal, such as `AccessDenied`; None where it does not say.

    It is looked for, not parsed: nothing is expanded, and only a plain word counts. The rest of such a
    refusal may hold the signature that was wrong.

    Args:
        head: The first bytes of the answer.
    """
    begins = head.find(b"<Error")
    found = None if begins < 0 else _ERROR_CODE.search(head, begins)
    return None if found is None else found[1].decode("ascii")


def _text(head: bytes) -> bytes:
    """The first bytes without byte order mark, blanks, and what UTF-16 puts between letters."""
    for mark in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            head = head[len(mark) :].replace(b"\0", b"")
    return head.lstrip(_BLANK)
