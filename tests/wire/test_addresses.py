"""Addresses that a server names: accepted, refused, and never changed."""

from __future__ import annotations

import contextlib
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from eversince_async._wire.addresses import Address, AddressPolicy, AddressRefused, describe_redirect, parse

PUBLIC = AddressPolicy.of("https://eversince.ai/api/v1")


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://eversince.ai", "https://eversince.ai"),
        ("HTTPS://Eversince.AI:443/a?b#c", "https://eversince.ai"),
        ("http://a_bucket.r2.example:8080/x", "http://a_bucket.r2.example:8080"),
        ("https://eversince.ai.", "https://eversince.ai."),
        ("https://[2606:4700::1111]:8443/", "https://[2606:4700::1111]:8443"),
        ("https://xn--e1afmkfd.example/", "https://xn--e1afmkfd.example"),
        ("https://a.example/x?X-Sig=a%2Bb+c/~&&=;:@!$'()*,[]|\\^`{}\"<>", "https://a.example"),
        ("https://8.8.8.8/", "https://8.8.8.8"),
    ],
)
def test_an_http_address_is_taken_as_it_is(text, origin):
    address = parse(text)

    assert (text, origin) == (address.text, address.origin)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        (None, "is empty"),
        (7, "is empty"),
        ("eversince.ai/x", "no http"),
        ("//eversince.ai/x", "no http"),
        ("/x", "no http"),
        ("https:/eversince.ai", "no http"),
        ("https:eversince.ai", "no http"),
        ("ftp://eversince.ai/x", "no http"),
        ("file:///etc/passwd", "no http"),
        ("javascript:alert(1)", "no http"),
        ("data:text/html,hello", "no http"),
        ("httpss://eversince.ai", "no http"),
        (" https://eversince.ai", "blanks"),
        ("https://eversince.ai/a b", "blanks"),
        ("https://eversince.ai/\r\nHost: evil", "blanks"),
        ("https://eversince.ai/\x00", "blanks"),
        ("https://eversince.ai/ü", "blanks"),
        ("https://eversince.ai/\ud800", "blanks"),
        ("https://\u0435versince.ai/", "blanks"),  # a Cyrillic letter that looks like ours
        ("https://", "host"),
        ("https:///x", "host"),
        ("https://?x", "host"),
        ("https://:443/", "host"),
        ("https://[", "host"),
        ("https://[]/", "host"),
        ("https://[::1", "host"),
        ("https://[fe80::1%25eth0]/", "host"),
        ("https://[1.2.3.4]/", "host"),
        ("https://[12345::]/", "host"),
        ("https://a..b/", "host"),
        ("https://./", "host"),
        ("https://-a.example/", "host"),
        ("https://" + "a" * 64 + ".example/", "host"),
        ("https://" + "a." * 127 + "example/", "host"),
        ("https://a%2eb/", "host"),
        ("https://a\\b/", "host"),
        ("https://256.1.1.1/", "host"),
        ("https://1.2.3.4.5/", "host"),
        ("https://4294967296/", "host"),
        ("https://a.0x7f/", "host"),
        ("https://09.1.1.x9.1/", "host"),
        ("https://a.example:/", "host and port"),
        ("https://a.example:x/", "host and port"),
        ("https://a.example:-1/", "host and port"),
        ("https://a.example:0/", "port"),
        ("https://a.example:65536/", "port"),
        ("https://a.example:123456/", "host and port"),
        ("https://me@a.example/", "user name"),
        ("https://me:secret@a.example/", "user name"),
        ("https://:secret@a.example/", "user name"),
        ("https://@a.example/", "user name"),
        ("https://a.example@127.0.0.1/", "user name"),
    ],
)
def test_what_is_no_http_address_is_refused(text, problem):
    with pytest.raises(AddressRefused, match=problem):
        parse(text)


@pytest.mark.parametrize(
    "secret", ["https://a..b/?s=hush", "hush://x", "https://me:hush@a.example/", "h h?hush"]
)
def test_a_refusal_does_not_show_the_address(secret):
    with pytest.raises(AddressRefused) as refused:
        parse(secret)

    assert "hush" not in repr(refused.value)


def test_an_address_shows_only_its_origin():
    assert "<Address https://a.example>" == repr(parse("https://a.example/secret/path?s=hush"))


@given(st.text())
def test_whatever_comes_is_an_address_or_refused(text):
    with contextlib.suppress(AddressRefused):
        assert text == parse(text).text


_HOSTS = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map("[{}]".format),
    st.integers(0, 2**32 - 1).map(str),
    st.from_regex(r"[a-z0-9_.-]{1,12}", fullmatch=True),
)


@given(_HOSTS, st.from_regex(r"(?:/[!-~]{0,30})?", fullmatch=True))
def test_what_is_taken_is_sent_byte_for_byte(host, rest):
    """No step on the way to the request line respells the address."""
    try:
        address = parse(f"https://{host}{rest}")
    except AddressRefused:
        return
    sent = URL(address.text, encoded=True)

    wanted = rest.partition("#")[0] or "/"
    assert wanted.removesuffix("?") == sent.raw_path_qs.removesuffix("?")
    assert address.host == (sent.raw_host or "").lower()


# -- Hosts that only this machine or its network can reach ------------------------------------------------

PRIVATE = [
    "localhost",
    "LocalHost",
    "localhost.",
    "store.localhost",
    "store.localhost.",
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.255.255.254",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0X7F.0x1",
    "017700000001",
    "0177.0.0.1",
    "0",
    "0x",
    "0.0.0.0",
    "10.1.2.3",
    "012.0.0.1",  # 10.0.0.1 on systems where a leading zero means octal
    "010.0.0.1",  # 10.0.0.1 on systems where it means nothing
    "10.66051",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "192.168.257",
    "169.254.169.254",
    "0xa9fea9fe",
    "100.100.100.200",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::FFFF:7f00:1]",
    "[::ffff:10.0.0.1]",
    "[::127.0.0.1]",
    "[::ffff:0:7f00:1]",
    "[2001:0:7f00:1::]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::1]",
    "[2002:7f00:1::]",
    "[2002:a00:1::1]",
    "[fe80::1]",
    "[fec0::1]",
    "[fc00::1]",
    "[fd12:3456::1]",
    "[ff02::1]",
]

ELSEWHERE = [
    "8.8.8.8",
    "0x08080808",
    "134744072",
    "203.0.113.7",
    "172.15.255.255",
    "172.32.0.1",
    "11.0.0.1",
    "126.255.255.255",
    "128.0.0.1",
    "192.167.255.255",
    "169.253.0.1",
    "[2606:4700::1111]",
    "[::ffff:8.8.8.8]",
    "[::ffff:0:808:808]",
    "[2001:1::1]",
    "[64:ff9b::808:808]",
    "[2002:808:808::1]",
    "localhost.example",
    "mylocalhost",
    "store",
    "10.example",
    "127.0.0.1.example",
    "127-0-0-1.example",
]


@pytest.mark.parametrize("host", PRIVATE)
def test_a_private_host_is_known_in_every_spelling(host):
    assert parse(f"https://{host}/v.mp4").is_private


@pytest.mark.parametrize("host", ELSEWHERE)
def test_any_other_host_is_not_private(host):
    assert not parse(f"https://{host}/v.mp4").is_private


@given(st.ip_addresses(v=4))
def test_what_python_calls_private_is_private_here(ip):
    documentation = [
        ipaddress.ip_network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")
    ]
    if ip.is_private and not any(ip in net for net in documentation):
        for host in (str(ip), str(int(ip)), hex(int(ip)), f"[::ffff:{ip}]"):
            assert parse(f"https://{host}/").is_private


# -- Policy -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", PRIVATE)
def test_the_public_api_does_not_lead_us_to_private_hosts(host):
    with pytest.raises(AddressRefused, match="allow_private_addresses=True"):
        PUBLIC.check(f"https://{host}/v.mp4")


@pytest.mark.parametrize(
    "base_url",
    [
        "http://127.0.0.1:8000/api/v1",
        "http://localhost:8000/api/v1",
        "http://api.localhost/api/v1",
        "http://[::1]:8000/api/v1",
        "http://10.0.0.7/api/v1",
        "https://192.168.0.7/api/v1",
        "http://emulator:8000/api/v1",
        "http://emulator./api/v1",
    ],
)
def test_an_api_on_a_private_host_may_have_its_files_on_one(base_url):
    assert "10.0.0.1" == AddressPolicy.of(base_url).check("https://10.0.0.1/v.mp4").host


@pytest.mark.parametrize(
    "base_url", ["https://8.8.8.8/api/v1", "https://api.internal/v1", "https://1.1.1.1./v1"]
)
def test_an_api_anywhere_else_may_not(base_url):
    """Names are not resolved, so none of them counts as private."""
    with pytest.raises(AddressRefused):
        AddressPolicy.of(base_url).check("https://10.0.0.1/v.mp4")


def test_private_hosts_may_be_allowed():
    policy = AddressPolicy.of("https://eversince.ai/api/v1", allow_private_addresses=True)

    assert "10.0.0.1" == policy.check("https://10.0.0.1/v.mp4").host


def test_no_answer_over_https_leads_to_plain_http():
    with pytest.raises(AddressRefused, match=r"from https to plain http, at store\.example"):
        PUBLIC.check("http://store.example/v.mp4?s=hush")


def test_private_hosts_are_no_exception_to_that():
    policy = AddressPolicy.of("https://eversince.ai/api/v1", allow_private_addresses=True)

    with pytest.raises(AddressRefused, match="plain http"):
        policy.check("http://10.0.0.1/v.mp4")


def test_an_api_over_http_may_have_its_files_over_http():
    assert "http" == AddressPolicy.of("http://api.example/v1").check("http://store.example/v.mp4").scheme


def test_a_redirect_does_not_lead_from_https_to_http_either():
    with pytest.raises(AddressRefused, match="plain http"):
        AddressPolicy.of("http://api.example/v1").check(
            "http://b.example/", linked_from=parse("https://a.example/")
        )


# -- Redirects of the API itself --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base_url", "location", "told"),
    [
        (
            "https://a.example/api/v1",
            "https://b.example/v2/projects/p_1?limit=1",
            "the API redirects to https://b.example; if it has moved, set base_url= to https://b.example/v2",
        ),
        (
            "http://a.example/api/v1",
            "https://a.example/api/v1/projects/p_1",
            "redirects to https://a.example; if it has moved, set base_url= to https://a.example/api/v1",
        ),
        ("https://a.example/api/v1", "/api/v2/projects/p_1", "set base_url= to https://a.example/api/v2"),
        (
            "https://a.example/api/v1",
            "/api/v1/projects/p_1?x",
            "redirects to https://a.example; check base_url=",
        ),
        ("https://a.example/api/v1", "/login?next=hush", "redirects to https://a.example; check base_url="),
        (
            "https://a.example/api/v1",
            "http://b.example/api/v1/projects/p_1",
            "redirects to http://b.example, without encryption; check base_url=",
        ),
        ("https://a.example/api/v1", "", "redirects without saying where to; check base_url="),
        ("https://a.example/api/v1", "javascript:hush", "redirects to an address that is no http"),
        ("https://a.example/api/v1", "https://me:hush@b.example/", "an address that carries a user name"),
    ],
)
def test_a_redirect_of_the_api_is_told_with_what_to_set(base_url, location, told):
    words = describe_redirect(base_url, "/projects/p_1?limit=1", location)

    assert told in words
    assert "hush" not in words


# -- Redirects --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://b.example/%7Ex?s=a%2Bb+c/..", "https://b.example/%7Ex?s=a%2Bb+c/.."),
        ("//b.example//x", "https://b.example//x"),
        ("/x//y/../z?s=%2f", "https://a.example:8443/x//y/../z?s=%2f"),
        ("?s=2", "https://a.example:8443/dir/file?s=2"),
        ("other?s=%2B", "https://a.example:8443/dir/other?s=%2B"),
        ("../up", "https://a.example:8443/up"),
        ("JAVASCRIPT:alert(1)", "JAVASCRIPT:alert(1)"),
    ],
)
def test_where_a_redirect_leads(location, target):
    assert target == parse("https://a.example:8443/dir/file?s=1#f").target(location)


@given(st.text())
def test_whatever_a_redirect_says_is_an_address_or_refused(location):
    with contextlib.suppress(AddressRefused):
        assert isinstance(PUBLIC.check(parse("https://a.example/d/f?s").target(location)), Address)


@pytest.mark.parametrize("location", ["\thttp://[", " //[", "\nhttp://[::1", "\x1fhttp://[v1.a]/"])
def test_a_redirect_to_brackets_without_an_address_is_refused(location: str) -> None:
    """The standard library cuts off the leading blank first."""
    with pytest.raises(AddressRefused):
        PUBLIC.check(parse("https://a.example/d/f?s").target(location))
    assert "the API redirects to" in describe_redirect("https://api.example/v1", "/projects", location)
