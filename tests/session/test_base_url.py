"""Base URLs: the key is sent without encryption to this machine only.

Any other use of plain http must be allowed explicitly.
"""

from __future__ import annotations

import pytest

from eversince_async import ConfigurationError, Eversince
from eversince_async._wire.addresses import AddressPolicy

KEY = "es_live_secret"

FOREIGN = [
    "http://api.example.com/api/v1",
    "HTTP://api.example.com",
    "http://10.0.0.1/api/v1",
    "http://169.254.169.254/",
    "http://emulator:8021/api/v1",
    "http://0.0.0.0:8021",
    "http://[fe80::1]/x",
    "http://[::ffff:10.0.0.1]/x",
    "http://[::2]/x",
    "http://localhost.example.com/x",
    "http://127.0.0.1.example.com/x",
    "http://0177.0.0.1/x",  # some systems read this as 177.0.0.1
    "http://128.0.0.1/x",
]
HERE = [
    "http://localhost:1/x",
    "http://LOCALHOST./x",
    "http://api.localhost/x",
    "http://127.0.0.1/x",
    "http://127.1/x",
    "http://127.255.255.254/x",
    "http://2130706433/x",
    "http://0x7f000001/x",
    "http://[::1]/x",
    "http://[::ffff:127.0.0.1]/x",
]


@pytest.mark.parametrize("url", FOREIGN)
def test_plain_http_to_another_machine_is_refused(url, monkeypatch):
    monkeypatch.delenv("EVERSINCE_ALLOW_HTTP", raising=False)

    with pytest.raises(ConfigurationError, match="without encryption: use https"):
        Eversince(KEY, base_url=url)


@pytest.mark.parametrize("url", HERE)
def test_plain_http_to_this_machine_is_fine(url):
    Eversince(KEY, base_url=url)


@pytest.mark.parametrize("url", FOREIGN)
def test_plain_http_can_be_allowed(url):
    assert url.rstrip("/") == Eversince(KEY, base_url=url, allow_http=True)._transport.base_url


@pytest.mark.parametrize(
    ("said", "allowed"), [("1", True), ("TRUE", True), ("0", False), ("no", False), ("", False)]
)
def test_plain_http_can_be_allowed_by_the_environment(said, allowed, monkeypatch):
    monkeypatch.setenv("EVERSINCE_ALLOW_HTTP", said)
    monkeypatch.setenv("EVERSINCE_BASE_URL", "http://emulator:8021/api/v1")

    if allowed:
        Eversince(KEY)
    else:
        with pytest.raises(ConfigurationError, match="EVERSINCE_ALLOW_HTTP=1"):
            Eversince(KEY)


def test_videos_may_come_unencrypted_from_where_the_api_does():
    assert not AddressPolicy.of("http://emulator:8021/api/v1").https_only


@pytest.mark.parametrize(
    "url",
    [
        "https://user:hunter2secret@api.example.com",
        "https://:hunter2secret@api.example.com",
        "https://user:hunter2/secret@api.example.com",
        "https://user:hunter2?secret@api.example.com",
        "https://user:hunter2 secret@api.example.com",
        "https://user:hunter2%40secret@api.example.com",
        "user:hunter2secret@api.example.com",
        "https://hunter2secret@127.0.0.1",
    ],
)
@pytest.mark.parametrize("allow_http", [True, False])
def test_a_password_in_the_base_url_is_refused_and_not_shown(url, allow_http):
    with pytest.raises(ConfigurationError) as caught:
        Eversince(KEY, base_url=url, allow_http=allow_http)
    assert "hunter2" not in repr(caught.value)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert "hunter2" not in repr(caught.value.__context__)
