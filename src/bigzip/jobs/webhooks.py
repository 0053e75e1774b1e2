"""Which webhooks may be named, and how what is sent to them is signed (Standard Webhooks 1.0.0)."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ssl import SSLContext
from typing import Final, Self

from standardwebhooks import Webhook

from bigzip.errors import InputError, printable
from bigzip.sources.guard import Guard
from bigzip.sources.url import HTTP_SCHEMES, Url, is_beneath, parse_url

MAX_URL: Final = 1_000
"""Characters."""
_PREFIX: Final = "whsec_"
_KEY_BYTES: Final = range(24, 65)
"""As Standard Webhooks 1.0.0 has it, signature scheme."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """What webhooks there may be, and what they are sent. Without arguments, none."""

    allowed: tuple[str, ...] = ()
    """What their URLs begin with: each ends in a slash."""
    guard: Guard = field(default_factory=Guard)
    """Of the hosts of `allowed`."""
    keys: tuple[Webhook, ...] = field(default=(), repr=False)
    """What is signed with: with all of them, so that a receiver may know the newest or still the one before."""
    timeout_seconds: float = 20.0
    """For one delivery, from connecting to the answer."""
    tls: SSLContext | None = field(default=None, repr=False)
    """None for the certificate authorities that browsers trust."""

    @classmethod
    def of(cls, *, allow: Iterable[str], networks: Iterable[str] = (), secrets: Iterable[str] = ()) -> Self:
        """The settings of what is configured.

        Args:
            allow: what URLs of webhooks begin with, such as `https://hooks.example.org/`. Nothing else is connected to.
                `http://` is for receivers in one's own network.
            networks: such as `10.1.0.0/16`: addresses in them are connected to although they are not public.
            secrets: `whsec_` and the base64 of 24 to 64 bytes, each; the newest first.

        Raises:
            InputError: something cannot be used.
        """
        prefixes = tuple(map(_checked_prefix, allow))
        hosts = [prefix.origin.partition("://")[2] for prefix in prefixes]
        keys = tuple(_key(number, secret) for number, secret in enumerate(secrets, 1))
        return cls(allowed=tuple(map(str, prefixes)), guard=Guard(hosts, networks), keys=keys)

    def checked(self, url: str) -> str:
        """The URL of a webhook as it is kept, if it may be one; asks nobody.

        Raises:
            InputError: it may not.
        """
        if not self.keys:
            raise InputError("webhook: this service has none; whoever runs it gives [jobs.webhooks] allow and secrets")
        if len(url) > MAX_URL:
            raise InputError(f"webhook: the URL has {len(url):,} characters; {MAX_URL:,} are allowed")
        parsed = _parsed(url, "webhook")
        if not any(is_beneath(parsed, prefix) for prefix in self.allowed):
            known = ", ".join(self.allowed) or "none"
            raise InputError(f"webhook: nothing is sent there by this service; allowed are {known}")
        return str(parsed)

    def headers(self, event_id: str, at: float, body: str) -> Mapping[str, str]:
        """The headers by which a receiver knows an event, and that it is from here.

        Args:
            event_id: the same each time it is sent.
            at: when it is sent, in seconds since 1970.
            body: what is sent.
        """
        moment = datetime.fromtimestamp(int(at), UTC)
        return {
            "webhook-id": event_id,
            "webhook-timestamp": str(int(at)),
            "webhook-signature": " ".join(key.sign(event_id, moment, body) for key in self.keys),
        }


def _checked_prefix(prefix: str) -> Url:
    if prefix.partition("://")[0] not in HTTP_SCHEMES or "?" in prefix:
        raise InputError(f"jobs.webhooks.allow: {printable(prefix)}: give https://host/…")
    return _parsed(prefix if prefix.endswith("/") else f"{prefix}/", "jobs.webhooks.allow")


def _parsed(url: str, what: str) -> Url:
    try:
        return parse_url(url)
    except InputError as error:  # which speaks of files, and may show a password
        raise InputError(f"{what}: this is no URL: give https://host/path, without user and password") from error


def _key(number: int, secret: str) -> Webhook:
    wrong = f"jobs.webhooks.secrets: number {number} is not {_PREFIX} and the base64 of 24 to 64 bytes"
    if not secret.startswith(_PREFIX):
        raise InputError(wrong)
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise InputError(wrong) from None
    if len(key) not in _KEY_BYTES:
        raise InputError(wrong)
    return Webhook(key)
