"""Addresses in the output of commands.

An address that may be opened is printed unchanged, any other with its problem.
"""

from __future__ import annotations

import pytest

from eversince_async import InsufficientCredits
from eversince_async.cli._addresses import address
from eversince_async.cli._errors import describe_error
from eversince_async.models.account import CreditPackage


@pytest.fixture(autouse=True)
def public(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVERSINCE_BASE_URL", raising=False)


@pytest.mark.parametrize(
    "url", ["https://eversince.ai/share/1", "https://store.example/v.mp4?X-Sig=a%2B", None]
)
def test_an_address_that_may_be_opened_is_printed_as_it_came(url):
    assert url == address("share_url", url)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("javascript:alert(1)", "share_url is no http(s) address: javascript:alert(1)"),
        ("", "share_url is empty: "),
        ("https://a.example/\x1b[31m", "share_url has blanks or other characters that no address has: "),
        ("https://me:hush@a.example/", "share_url carries a user name or a password: "),
        (
            "http://a.example/?hush",
            "share_url leads from https to plain http, at a.example: http://a.example/",
        ),
        ("https://192.168.0.1/", "share_url leads to 192.168.0.1, which only this machine or its network"),
        ("//a.example/v.mp4?hush", "share_url is no http(s) address: //a.example/v.mp4?…"),
        ("x" * 100_000, "share_url is no http(s) address: xxxxx"),
    ],
)
def test_another_is_told_with_its_field(url, told):
    printed = address("share_url", url)

    assert printed.startswith(told)
    assert printed.isprintable()
    assert "hush" not in printed
    assert len(printed) < 300


def test_beside_a_local_server_local_addresses_may_be_opened(monkeypatch):
    monkeypatch.setenv("EVERSINCE_BASE_URL", "http://127.0.0.1:8000/api/v1")

    assert "http://127.0.0.1:8001/share/1" == address("share_url", "http://127.0.0.1:8001/share/1")


def test_credits_are_offered_only_where_they_may_be_bought():
    refusal = InsufficientCredits("too few", status=402)
    refusal.packages = [
        CreditPackage(id="a", credits=100, purchase_url="javascript:alert(1)"),
        CreditPackage(id="b", credits=500, purchase_url="https://eversince.ai/buy/b"),
    ]

    assert describe_error(refusal).endswith("buy more: https://eversince.ai/buy/b (500 credits)")


def test_if_they_may_be_bought_nowhere_a_command_is_named():
    refusal = InsufficientCredits("too few", status=402)
    refusal.packages = [CreditPackage(id="a", credits=100, purchase_url="javascript:alert(1)")]

    assert describe_error(refusal).endswith("`eversince credits` shows where to buy more")
