"""URLs of files, in the two parts that a plan keeps."""

import re
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from bigzip.errors import InputError, printable

HTTP_SCHEMES: Final = ("http", "https")
STORE_SCHEMES: Final = ("s3", "gs", "az")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_ANY_URL: Final = re.compile(r"""https?://[^\s"']+""")
_UNFIT: Final = re.compile(r"[^\x21-\x7e]")


class Url(NamedTuple):
    """A URL in the two parts that a plan keeps."""

    origin: str
    """`https://example.org:8443`, in lower case, without a port that is the scheme's."""
    path: str
    """With the query, without the slash that it begins with."""

    def __str__(self) -> str:
        return f"{self.origin}/{self.path}"

    @property
    def is_secure(self) -> bool:
        """Whether it is reached by TLS."""
        return self.origin.startswith("https:")

    @property
    def host(self) -> str:
        """The host's name or address, without brackets."""
        return urlsplit(self.origin).hostname or ""

    @property
    def port(self) -> int:
        """The port, the scheme's where none is given."""
        parts = urlsplit(self.origin)
        return parts.port or _DEFAULT_PORTS[parts.scheme]


class Asked(NamedTuple):
    """What a URL asks for: a file, an object, or all objects beneath a prefix."""

    root: str
    """Where it is, or the prefix."""
    path: str
    """Beneath the root; empty for all that is there."""
    name: str
    """Of its entry, or of the directory of its entries; may be empty."""


def is_in_store(root: str) -> bool:
    """Whether a root or URL is of an object store."""
    return root.partition("://")[0] in STORE_SCHEMES


def is_url(text: str) -> bool:
    """Whether this is meant as a URL of any scheme, and not as a path."""
    scheme, separator, _ = text.partition("://")
    return bool(separator) and scheme.isalnum()


def parse_url(text: str) -> Url:
    """The parts of an absolute URL.

    Raises:
        InputError: it is none, or has credentials in it.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise InputError(f"{text!r} is no URL: {error}") from error
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or _UNFIT.search(text):
        raise InputError(f"{text!r} is no URL of a file: give https://host/path, with what is not ASCII escaped")
    if "@" in parts.netloc:
        raise InputError(f"the URL of {parts.hostname} has credentials in it, which plans would keep: configure them")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname.removesuffix(".")
    shown_port = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
    query = f"?{parts.query}" if parts.query else ""
    return Url(f"{parts.scheme}://{host}{shown_port}", parts.path.removeprefix("/") + query)


def parse_asked(url: str) -> Asked:
    """What a URL asks for.

    Raises:
        InputError: that is nothing that can be had.
    """
    scheme = url.partition("://")[0]
    if scheme in HTTP_SCHEMES:
        origin, path = parse_url(url)
        return Asked(origin, path, unquote(path.partition("?")[0].rpartition("/")[2]))
    if scheme not in STORE_SCHEMES:
        known = ", ".join((*HTTP_SCHEMES, *STORE_SCHEMES))
        raise InputError(f"{printable(url)}: sources of kind {scheme!r} are not known; known are {known}")
    bucket, _, path = url.removesuffix("/").partition("://")[2].partition("/")
    if "" in path.split("/") and path:
        raise InputError(f"{printable(url)}: a key with nothing between two slashes cannot be asked for")
    root, name = f"{scheme}://{bucket}", path.rpartition("/")[2] or bucket
    return Asked(f"{root}/{path}", "", name) if path and url.endswith("/") else Asked(root, path, name)


def is_beneath(url: Url, prefix: str) -> bool:
    """Whether a URL is beneath a prefix that ends in a slash, however it is written."""
    path = url.path.partition("?")[0].lower()
    has_dots = any(part in (".", "..") for part in path.replace("%2e", ".").replace("%2f", "/").split("/"))
    return not has_dots and str(url).startswith(prefix)


def without_urls(text: str) -> str:
    """A message without the URLs in it: they can have passwords and signatures in them."""
    return _ANY_URL.sub("(a URL)", text)
