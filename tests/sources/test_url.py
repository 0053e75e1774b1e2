"""URLs in two parts."""

import pytest

from bigzip.errors import InputError
from bigzip.sources.url import is_url, parse_url


@pytest.mark.parametrize(
    ("text", "origin", "path", "host", "port"),
    [
        ("https://example.org/a/b.pdf", "https://example.org", "a/b.pdf", "example.org", 443),
        ("HTTPS://Example.ORG:443/", "https://example.org", "", "example.org", 443),
        ("http://example.org:80/a", "http://example.org", "a", "example.org", 80),
        ("http://example.org:443/a", "http://example.org:443", "a", "example.org", 443),
        ("https://example.org", "https://example.org", "", "example.org", 443),
        ("https://example.org./a", "https://example.org", "a", "example.org", 443),
        ("https://example.org/a?b=c&d=%20#part", "https://example.org", "a?b=c&d=%20", "example.org", 443),
        ("https://example.org//a//b", "https://example.org", "/a//b", "example.org", 443),
        ("http://[::1]:8080/a", "http://[::1]:8080", "a", "::1", 8080),
    ],
)
def test_parts(text: str, origin: str, path: str, host: str, port: int) -> None:
    url = parse_url(text)
    assert (url.origin, url.path, url.host, url.port) == (origin, path, host, port)
    assert parse_url(str(url)) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://",
        "https:///path",
        "ftp://example.org/a",
        "file:///etc/passwd",
        "https://example.org:port/",
        "https://example.org:99999/",
        "https://user:secret@example.org/",
        "https://user@example.org/",
        "https://example.org/a b",
        "https://example.org/\r\nHost: evil",
        "https://example.org/ü",
        "https://bücher.example/",
        "https://[::1/",
        "https://exa\0mple.org/",
    ],
)
def test_what_is_no_url_of_a_file_is_refused_without_its_secrets(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_url(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"), [("s3://b/k", True), ("a/b", False), ("a://b", True), ("a b://c", False), ("://", False)]
)
def test_what_looks_like_a_url(text: str, expected: bool) -> None:
    assert is_url(text) is expected
