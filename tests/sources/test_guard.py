"""What may be connected to: forms of addresses that lead inside, and names that change their mind."""

import socket
from ipaddress import ip_address
from typing import Any

import pytest

from bigzip.errors import InputError, SourceMissing, SourceReadError
from bigzip.sources.guard import Guard

DENIED = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 127.0.0.1 127.1.2.3 169.254.0.1 169.254.169.254 172.16.0.1
172.31.255.255 192.0.0.1 192.0.0.170 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.51.100.1 203.0.113.1
224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255 168.63.129.16
:: ::1 ::2 ::127.0.0.1 ::10.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:0
64:ff9b::127.0.0.1 64:ff9b::10.0.0.1 64:ff9b::169.254.169.254 64:ff9b::a9fe:a9fe 64:ff9b:1::1 64:ff9b:1::8.8.8.8
100::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1 2001:10::1 2001:20::1 2001:db8::1
2002:7f00:1::1 2002:a00:1::1 2002:808:808::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fd12:3456::1 fe80::1 fe80::1%1
fec0::1 ff02::1 ff0e::1 2606:4700::5efe:10.0.0.1 2606:4700::200:5efe:127.0.0.1 ::ffff:168.63.129.16
64:ff9b::168.63.129.16 ::ffff:224.0.0.1 64:ff9b::224.0.0.1 ::ffff:100.64.0.1
""".split()
ALLOWED = """
1.1.1.1 8.8.8.8 93.184.216.34 172.32.0.1 172.15.255.255 100.128.0.1 223.255.255.255 198.20.0.1
2606:4700::1111 2a00:1450:4001::200e ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2606:4700::5efe:8.8.8.8
""".split()


def test_the_list_is_long_enough() -> None:
    assert len(set(DENIED)) >= 60


@pytest.mark.parametrize("address", DENIED)
def test_what_is_not_public_is_denied(address: str) -> None:
    assert not Guard(["*"]).allows(ip_address(address))


@pytest.mark.parametrize("address", ALLOWED)
def test_what_is_public_is_allowed(address: str) -> None:
    assert Guard(["*"]).allows(ip_address(address))


@pytest.mark.parametrize(
    ("networks", "address", "allowed"),
    [
        (["10.1.0.0/16"], "10.1.2.3", True),
        (["10.1.0.0/16"], "10.2.2.3", False),
        (["10.1.0.0/16"], "::ffff:10.1.2.3", True),
        (["10.1.0.0/16"], "64:ff9b::10.1.2.3", True),
        (["fd00::/8"], "fd00::1", True),
        (["2606:4700::/32"], "2606:4700::5efe:10.0.0.1", False),
        (["::1/128"], "::1", True),
    ],
)
def test_a_network_that_is_named_is_allowed(networks: list[str], address: str, allowed: bool) -> None:
    assert Guard(["*"], networks).allows(ip_address(address)) is allowed


@pytest.mark.parametrize(
    ("entry", "host", "port", "allowed"),
    [
        ("example.org", "example.org", 443, True),
        ("example.org", "EXAMPLE.org.", 80, True),
        ("example.org", "example.org", 8443, False),
        ("example.org", "www.example.org", 443, False),
        ("example.org", "example.org.evil.net", 443, False),
        ("*.example.org", "www.example.org", 443, True),
        ("*.example.org", "a.b.example.org", 443, True),
        ("*.example.org", "example.org", 443, False),
        ("*.example.org", "badexample.org", 443, False),
        ("*.example.org", ".example.org", 443, False),
        ("example.org:8443", "example.org", 8443, True),
        ("example.org:8443", "example.org", 443, False),
        ("*", "anything.at.all", 443, True),
        ("*", "anything.at.all", 22, False),
        ("*:22", "anything.at.all", 22, True),
        ("*:*", "anything.at.all", 22, True),
        ("example.org:*", "example.org", 8443, True),
        ("example.org:*", "example.net", 8443, False),
        ("127.0.0.1:80", "127.0.0.1", 80, True),
        ("127.0.0.1", "2130706433", 80, False),
        ("[::1]:8080", "::1", 8080, True),
        ("[::1]", "::1", 80, True),
        ("bücher.example", "xn--bcher-kva.example", 443, True),
        ("xn--bcher-kva.example", "BÜCHER.example", 443, True),
    ],
)
def test_hosts_are_allowed_by_name_and_port(entry: str, host: str, port: int, allowed: bool) -> None:
    guard = Guard([entry])
    if allowed:
        guard.check_host(host, port)
    else:
        with pytest.raises(InputError, match="not among the hosts"):
            guard.check_host(host, port)


def test_without_a_list_nothing_is_allowed() -> None:
    with pytest.raises(InputError):
        Guard().check_host("example.org", 443)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a b",
        "https://example.org",
        "example.org:",
        "example.org:0",
        "example.org:99999",
        "a*b",
        "*.*",
        "::1",
        "u@h",
    ],
)
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no host"):
        Guard([text])


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(InputError, match="networks like"):
        Guard(["*"], ["10.0.0.1/8"])


class Names:
    """Answers of a name server that gives another one each time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self.asked = 0
        self._answers = answers
        monkeypatch.setattr(socket, "getaddrinfo", self._answer)

    def _answer(self, host: str, port: int, **_: Any) -> list[Any]:
        answer = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        return [(None, None, None, "", (address, port)) for address in answer]


def test_a_name_is_resolved_once_and_what_was_checked_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch, ["8.8.8.8", "1.1.1.1"], ["127.0.0.1"])
    assert list(map(str, Guard(["*"]).addresses("rebinding.example", 80))) == ["8.8.8.8", "1.1.1.1"]
    assert names.asked == 1


def test_one_denied_address_denies_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    Names(monkeypatch, ["8.8.8.8", "127.0.0.1"])
    with pytest.raises(SourceMissing):
        Guard(["*"]).addresses("mixed.example", 80)


@pytest.mark.parametrize(
    ("code", "expected"), [(socket.EAI_AGAIN, SourceReadError), (socket.EAI_NONAME, SourceMissing)]
)
def test_a_name_that_cannot_be_resolved(monkeypatch: pytest.MonkeyPatch, code: int, expected: type[Exception]) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise socket.gaierror(code, "no")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(expected):
        Guard(["*"]).addresses("example.org", 80)


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "localhost", "0", "[::1]", "::ffff:7f00:1"]
)
def test_other_ways_to_write_an_address_are_seen_through(host: str) -> None:
    with pytest.raises((SourceMissing, InputError)):
        Guard(["*"]).addresses(host, 80)
