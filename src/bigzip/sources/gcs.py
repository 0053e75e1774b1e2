"""Google Cloud Storage, to be written to: boto3's client for S3, authorised as Google has it.

Its XML API takes objects in parts as S3 does, in any order; obstore and Google's own library for Python put them one
after the other, from one process. What differs from S3 is translated on the way: who asks, and the names of metadata.
"""

import json
import os
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote, urlsplit

import boto3
import google.auth
import urllib3
from botocore import UNSIGNED
from botocore.config import Config
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.urllib3 import Request
from google.oauth2 import service_account
from google.oauth2.credentials import Credentials

from bigzip.errors import InputError, OutputError, printable
from bigzip.sources.url import without_urls

_URL: Final = "https://storage.googleapis.com"
_SCOPE: Final = "https://www.googleapis.com/auth/devstorage.read_write"
_ALIASES: Final = {"service_account_path": "service_account"}
_SETTINGS: Final = (
    "service_account",
    "service_account_key",
    "application_credentials",
    "bearer_token",
    "base_url",
    "skip_signature",
)
_TRUE: Final = ("1", "true", "yes", "on")
_ATTEMPTS: Final = 8
_COMPLETING_SECONDS: Final = 600.0
"""Google says that to complete an upload takes several minutes, and says nothing meanwhile."""
_THEIRS: Final = "x-goog-meta-"
_OURS: Final = "x-amz-meta-"
_ANY_OF_S3: Final = "x-amz-"
_UNESCAPED: Final = "/~"


class Gcs:
    """A bucket in Google Cloud Storage.

    Args:
        bucket: its name.
        config: one of `service_account` (a path), `service_account_key` (JSON), `application_credentials` (a path) and
            `bearer_token`, and `base_url`. What is not there comes from the variables that obstore has it from; without
            any, credentials are looked for as by all of Google's libraries.
        proxy: the URL of one that all requests go through.
        timeout: seconds that the server may be silent.
        connections: that are kept open at most.

    Raises:
        InputError: the configuration cannot be used.
    """

    def __init__(
        self, bucket: str, config: Mapping[str, Any], *, proxy: str | None, timeout: float, connections: int
    ) -> None:
        self._bucket = bucket
        settings = _settings(bucket, config)
        pool = urllib3.ProxyManager(proxy) if proxy else urllib3.PoolManager()
        self._request = Request(pool)
        self._lock = threading.Lock()
        try:
            self._credentials, told = _credentials(settings, self._request)
        except (GoogleAuthError, ValueError, OSError) as error:
            reason = printable(without_urls(str(error)).partition("\n")[0])
            raise InputError(f"gs://{bucket}: its credentials cannot be used: {reason}") from error
        self._url = str(settings.get("base_url") or told.get("gcs_base_url") or _URL).rstrip("/")
        self._is_open = bool(told.get("disable_oauth")) or str(settings.get("skip_signature", "")).lower() in _TRUE
        self._proxies = {"http": proxy, "https": proxy} if proxy else None
        self._connections = connections
        self.client = self._make_client(timeout)
        """A client of boto3, for any number of threads."""
        self.completing_client = self._make_client(max(timeout, _COMPLETING_SECONDS))
        """One that waits longer for an answer."""

    @property
    def can_sign(self) -> bool:
        """Whether links can be made."""
        return isinstance(self._credentials, service_account.Credentials)

    def link(self, key: str, seconds: int, query: Mapping[str, str], *, begin: datetime | None = None) -> str:
        """A link to an object for GET, as V4 signatures have it (Cloud Storage, "V4 signing process").

        Args:
            key: of the object.
            seconds: how long it is good for; 7 days at most.
            query: more parameters.
            begin: from when on; by default from now on.
        """
        assert isinstance(self._credentials, service_account.Credentials), "asked only where links can be made"
        now = (begin or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{now[:8]}/auto/storage/goog4_request"
        host = urlsplit(self._url).netloc
        path = f"{urlsplit(self._url).path}/{self._bucket}/{quote(key, safe=_UNESCAPED)}"
        shown = {
            "X-Goog-Algorithm": "GOOG4-RSA-SHA256",
            "X-Goog-Credential": f"{self._credentials.signer_email}/{scope}",
            "X-Goog-Date": now,
            "X-Goog-Expires": str(seconds),
            "X-Goog-SignedHeaders": "host",
        } | dict(query)
        parameters = "&".join(
            f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in sorted(shown.items())
        )
        canonical = f"GET\n{path}\n{parameters}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
        signed = f"GOOG4-RSA-SHA256\n{now}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        signature = self._credentials.sign_bytes(signed.encode()).hex()
        return f"{urlsplit(self._url).scheme}://{host}{path}?{parameters}&X-Goog-Signature={signature}"

    def _make_client(self, timeout: float) -> Any:
        client = boto3.Session(region_name="auto").client(
            "s3",
            endpoint_url=self._url,
            config=Config(
                signature_version=UNSIGNED,
                max_pool_connections=self._connections,
                connect_timeout=timeout,
                read_timeout=timeout,
                retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                proxies=self._proxies,
            ),
        )
        client.meta.events.register("before-send.s3", self._authorise)
        client.meta.events.register("before-parse.s3", _translate_answer)
        return client

    def _authorise(self, request: Any, **_: Any) -> None:
        """Make a request of S3 one of Google's."""
        for name in list(request.headers):
            if name.lower().startswith(_ANY_OF_S3):
                value = request.headers[name]
                del request.headers[name]
                if name.lower().startswith(_OURS):
                    request.headers[_THEIRS + name.lower().removeprefix(_OURS)] = value
        if not self._is_open:
            request.headers["Authorization"] = f"Bearer {self._token()}"

    def _token(self) -> str:
        with self._lock:
            try:
                if not self._credentials.valid:
                    self._credentials.refresh(self._request)
            except GoogleAuthError as error:
                reason = printable(without_urls(str(error)).partition("\n")[0])
                raise OutputError(f"gs://{self._bucket}: Google gives no token: {reason}") from error
            return str(self._credentials.token)


def _translate_answer(response_dict: Any, **_: Any) -> None:
    headers = response_dict["headers"]
    for name in list(headers):
        if name.lower().startswith(_THEIRS):
            headers[_OURS + name.lower().removeprefix(_THEIRS)] = headers[name]


def _settings(bucket: str, config: Mapping[str, Any]) -> dict[str, str]:
    """What is configured, by the first of its names, with what the environment has besides."""
    given = {_plain(name): str(value) for name, value in config.items()}
    if wrong := [name for name in given if name not in _SETTINGS]:
        raise InputError(
            f"gs://{bucket}: with the setting {printable(wrong[0])}, archives cannot be built; known are "
            f"{', '.join(_SETTINGS)}"
        )
    variables = {
        _plain(name.lower()): value
        for name, value in os.environ.items()
        if name.startswith("GOOGLE_") and value and _plain(name.lower()) in _SETTINGS
    }
    return variables | given


def _plain(name: str) -> str:
    name = name.removeprefix("google_")
    return _ALIASES.get(name, name)


def _credentials(settings: Mapping[str, str], request: Request) -> tuple[Any, Mapping[str, Any]]:
    """Credentials, and what else the file that they are from tells."""
    scopes = [_SCOPE]
    if token := settings.get("bearer_token"):
        return Credentials(token), {}
    text = settings.get("service_account_key")
    if text is None and (path := settings.get("service_account")):
        with open(path, encoding="utf-8") as file:
            text = file.read()
    if text is not None:
        told = json.loads(text)
        if told.get("disable_oauth") and not told.get("private_key"):
            return None, told
        return service_account.Credentials.from_service_account_info(told, scopes=scopes), told
    if str(settings.get("skip_signature", "")).lower() in _TRUE:
        return None, {}
    if path := settings.get("application_credentials"):
        found, _ = google.auth.load_credentials_from_file(path, scopes=scopes, request=request)
    else:
        found, _ = google.auth.default(scopes=scopes, request=request)
    return found, {}
