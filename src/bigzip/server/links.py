"""Signed links: whoever has one gets this one archive under this one name until it expires, and nothing else.

The signature is an HMAC-SHA256 over all that the link is about, joined by newlines; none of the parts has one in it.
Two keys are live at a time, the newer of which signs: so keys can be changed without breaking links that are out.
"""

import hmac
import os
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from bigzip.errors import BigZipError, InputError

_VERSION: Final = "bigzip link 1"
_MAX_KEYS: Final = 2
_ID_BYTES: Final = 4
_SECRET_BYTES: Final = 32
_KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_SECRET: Final = re.compile(r"[0-9a-f]{64}")
_MAX_DIGITS: Final = 12
_PRIVATE: Final = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkKey:
    """A key, by the id that links name it by."""

    id: str
    secret: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkTerms:
    """What a link is about; a GET link is good for HEAD too."""

    path: str
    archive: str
    digest: str
    owner: str
    filename: str
    """That the archive is saved under."""
    expires: int
    """Seconds since 1970."""


class LinkKeysUnreadable(BigZipError):
    """The file of keys cannot be read: whoever runs the service must see to it."""


class LinkKeys:
    """The live keys, the newest first."""

    def __init__(self, keys: Sequence[LinkKey]) -> None:
        if not 1 <= len(keys) <= _MAX_KEYS or len({key.id for key in keys}) != len(keys):
            raise InputError(f"of link keys there must be one or {_MAX_KEYS}, each with an id of its own")
        self._keys = tuple(keys)

    def sign(self, terms: LinkTerms) -> dict[str, str]:
        """The query parameters of a link."""
        key = self._keys[0]
        return {
            "expires": str(terms.expires),
            "filename": terms.filename,
            "key": key.id,
            "signature": _signature(key, terms),
        }

    def allows(self, terms: LinkTerms, *, key: str, signature: str, now: float) -> bool:
        """Whether a link with these parameters is good at a time."""
        # Compared with each live key's signature, so that the time tells nothing of which there are.
        is_signed = False
        for live in self._keys:
            is_same = hmac.compare_digest(
                _signature(live, terms).encode(), signature.encode("utf-8", "surrogateescape")
            )
            is_signed |= is_same & (live.id == key)
        return is_signed and now < terms.expires

    def session(self, token: str, expires: int) -> str:
        """A browser's session for the token of an id, until a time."""
        key = self._keys[0]
        return f"{token}.{expires}.{key.id}.{_mac(key, 'bigzip session 1', token, str(expires), key.id)}"

    def session_token(self, session: str, now: float) -> str | None:
        """The id of the token that a session was begun with, if it is one and has not expired."""
        token, expires, key_id, mac = (*session.split("."), "", "", "", "")[:4]
        if not (expires.isdecimal() and expires.isascii() and len(expires) <= _MAX_DIGITS):
            return None
        is_signed = False
        for live in self._keys:
            is_same = hmac.compare_digest(
                _mac(live, "bigzip session 1", token, expires, live.id).encode(), mac.encode("utf-8", "surrogateescape")
            )
            is_signed |= is_same & (live.id == key_id)
        return token if is_signed and now < int(expires) else None


def _signature(key: LinkKey, terms: LinkTerms) -> str:
    return _mac(
        key,
        _VERSION,
        "GET",
        terms.path,
        terms.archive,
        terms.digest,
        terms.owner,
        str(terms.expires),
        key.id,
        terms.filename,
    )


def _mac(key: LinkKey, *parts: str) -> str:
    message = "\n".join(parts).encode("utf-8", "surrogateescape")
    return urlsafe_b64encode(hmac.digest(key.secret, message, sha256)).decode("ascii").rstrip("=")


def parse_keys(text: str) -> LinkKeys:
    """The keys in a text such as `id:secret`, newest first, with commas or line ends between them.

    Raises:
        InputError: these are none; what they are is not repeated.
    """
    keys = []
    for item in filter(None, re.split(r"[,\s]+", text)):
        identity, _, secret = item.partition(":")
        if not _KEY_ID.fullmatch(identity) or not _SECRET.fullmatch(secret):
            raise InputError("link keys must be like ID:SECRET, the secret of 64 hexadecimal digits")
        keys.append(LinkKey(id=identity, secret=bytes.fromhex(secret)))
    return LinkKeys(keys)


def new_keys() -> list[LinkKey]:
    """A key that nobody else has, as for links that end with the process."""
    return [LinkKey(id=secrets.token_hex(_ID_BYTES), secret=secrets.token_bytes(_SECRET_BYTES))]


def _new_key_text() -> str:
    (key,) = new_keys()
    return f"{key.id}:{key.secret.hex()}"


class KeyFile:
    """Keys in a file that several processes read; a change counts from the next look at it.

    Args:
        path: of the file; None for `fixed` keys.
        fixed: keys that are in no file.
    """

    def __init__(self, path: str | None, fixed: LinkKeys | None = None) -> None:
        self._path = path or ""
        self._fixed = fixed
        self._read: tuple[tuple[int, int], LinkKeys] | None = None

    def keys(self) -> LinkKeys:
        """The live keys; made where there is no file.

        What was read last is kept where the file cannot be read for a while.

        Raises:
            LinkKeysUnreadable: the file has none, or cannot be read or made.
        """
        if self._fixed is not None:
            return self._fixed
        try:
            try:
                status = os.stat(self._path)
            except FileNotFoundError:
                self._make()
                status = os.stat(self._path)
            seen = (status.st_mtime_ns, status.st_ino)
            if self._read is None or self._read[0] != seen:
                with open(self._path, encoding="ascii") as file:
                    self._read = seen, parse_keys(file.read())
        except (OSError, UnicodeDecodeError, InputError) as error:
            if self._read is None:
                reason = getattr(error, "strerror", None) or error
                raise LinkKeysUnreadable(f"the link keys in {self._path}: {reason}") from error
        return self._read[1]

    def rotate(self) -> None:
        """Put a new key before the newest; the one before that counts no more.

        Raises:
            InputError: there is no file, or it has no keys, or cannot be read or written.
        """
        if self._fixed is not None:
            raise InputError("the link keys are in BIGZIP_LINK_KEYS; put a new one before the others there")
        self.keys()
        with open(self._path, encoding="ascii") as file:
            newest = file.read().split()[0]
        self._write(f"{_new_key_text()}\n{newest}\n", replace=True)

    def _make(self) -> None:
        os.makedirs(os.path.dirname(os.path.abspath(self._path)), mode=0o700, exist_ok=True)
        self._write(f"{_new_key_text()}\n", replace=False)

    def _write(self, text: str, *, replace: bool) -> None:
        partial = f"{self._path}.{secrets.token_hex(8)}"
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE)
        try:
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(descriptor)
            if replace:
                os.rename(partial, self._path)
                return
            try:
                os.link(partial, self._path)  # of two processes that start together, one makes the keys
            except FileExistsError:
                pass
            os.unlink(partial)
        except BaseException:
            if os.path.lexists(partial):
                os.unlink(partial)
            raise


def is_time(text: str) -> bool:
    """Whether a text is a time in seconds since 1970 as links have it."""
    return text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS and str(int(text)) == text


def link_query(parameters: Mapping[str, str]) -> list[tuple[str, str]]:
    """The parameters of a link in the order that they are shown in."""
    return [(name, parameters[name]) for name in ("filename", "expires", "key", "signature")]
