"""Where sources are that are not on this machine, and what is needed to reach them."""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from bigzip.errors import InputError
from bigzip.sources.guard import Guard
from bigzip.sources.retry import RetryPolicy
from bigzip.sources.url import STORE_SCHEMES

if TYPE_CHECKING:
    from bigzip.sources.azure import AzureContainer
    from bigzip.sources.gcs import Gcs
    from bigzip.sources.http import HttpClient, HttpHost
    from bigzip.sources.object_store import Bucket, ObjectRoot
    from bigzip.sources.s3 import S3

CAPABILITIES: Final = "capabilities"
"""The setting of a store that says what it can do."""


class Connections:
    """What may be read over the network, with which credentials; keeps connections open.

    For any number of archives and threads. Without arguments nothing may be read over the network.

    Args:
        hosts: whose files may be read: `example.org`, `*.example.org` for all names below it, either with `:8443` where
            the port is neither 80 nor 443 or with `:*` for any, or `*` for all names. Redirects to others fail.
        networks: such as `10.1.0.0/16`. Addresses that are not public may be connected to in these alone, whatever a
            host's name resolves to.
        headers: what is sent to an origin such as `https://example.org`, and to no other: `Authorization` and the like.
        stores: object stores that may be read, and written to where that is asked for, and what is needed to reach
            each: `{"s3://photos": {"region": "eu-central-1"}}`; `s3://*` is every bucket that is not named. For S3
            there are `profile`, `endpoint`, `region`, `access_key_id`, `secret_access_key`, `session_token`,
            `skip_signature` and others, for `gs://` and `az://` what obstore's GCSConfig and AzureConfig have. What is
            not given comes from the environment, as the stores' own tools have it.
        proxy: the URL of an HTTP proxy that all requests go through; it sees to `networks` itself.
        timeout: seconds that a server may be silent.
        attempts: how often in a row something is tried that is interrupted, without a megabyte of progress in between.

    Raises:
        InputError: an argument cannot be used.
    """

    def __init__(
        self,
        *,
        hosts: Iterable[str] = (),
        networks: Iterable[str] = (),
        headers: Mapping[str, Mapping[str, str]] | None = None,
        stores: Mapping[str, Mapping[str, Any]] | None = None,
        proxy: str | None = None,
        timeout: float = 30.0,
        attempts: int = 6,
    ) -> None:
        if timeout <= 0 or attempts < 1:
            raise InputError("connections need a timeout above 0, and one attempt at least")
        self._guard = Guard(hosts, networks)
        self._timeout = timeout
        self._retry = RetryPolicy(attempts=attempts)
        self._stores = {_checked_store(store): dict(config) for store, config in (stores or {}).items()}
        self._buckets: dict[str, Bucket] = {}
        self._opening: dict[str, threading.Lock] = {}
        self._headers = dict(headers or {})
        self._proxy = proxy
        self._lock = threading.Lock()
        self._http: HttpClient | None = None

    def http_host(self, origin: str, read_size: Callable[[], int]) -> "HttpHost":
        """What is beneath an origin such as `https://example.org`, whose sources yield `read_size()` bytes at a time.

        Raises:
            InputError: the extra `http` is not installed.
        """
        from bigzip.sources.http import HttpHost

        return HttpHost(self._client(), origin, read_size)

    def object_root(self, root: str, read_size: Callable[[], int]) -> "ObjectRoot":
        """What is beneath a root such as `s3://photos/2026`, whose sources yield `read_size()` bytes at a time.

        Raises:
            InputError: the bucket is not among those that may be read, its settings cannot be used, or the extra `s3`
                is not installed.
        """
        try:
            from bigzip.sources.object_store import ObjectRoot, open_bucket, parse_location
        except ModuleNotFoundError as error:
            raise InputError("to read from object stores, install bigzip[s3]") from error
        location = parse_location(root)
        with self._lock:
            lock = self._opening.setdefault(location.store, threading.Lock())
        with lock:  # to find a bucket, AWS may have to be asked: others need not wait
            bucket = self._buckets.get(location.store)
            if bucket is None:
                config = self._config(location.store)
                bucket = open_bucket(location, config, proxy=self._proxy, timeout=self._timeout, retry=self._retry)
                self._buckets[location.store] = bucket
        return ObjectRoot(bucket, location.key, read_size)

    def s3(self, bucket: str) -> "S3":
        """A bucket of S3, to be written to.

        Raises:
            InputError: as `object_root`.
        """
        try:
            from bigzip.sources.s3 import S3
        except ModuleNotFoundError as error:
            raise InputError("to write to object stores, install bigzip[s3]") from error
        return S3(bucket, self._config(f"s3://{bucket}", "written to"), proxy=self._proxy, timeout=self._timeout)

    def azure(self, container: str, connections: int) -> "AzureContainer":
        """A container of Azure Blob Storage, to be written to by that many connections.

        Raises:
            InputError: it is not among the stores, or its settings cannot be used.
        """
        from bigzip.sources.azure import azure_container

        config = self._config(f"az://{container}", "written to")
        return azure_container(container, config, proxy=self._proxy, timeout=self._timeout, connections=connections)

    def gcs(self, bucket: str, connections: int) -> "Gcs":
        """A bucket of Google Cloud Storage, to be written to by that many connections.

        Raises:
            InputError: it is not among the stores, or its settings cannot be used.
        """
        from bigzip.sources.gcs import Gcs

        config = self._config(f"gs://{bucket}", "written to")
        return Gcs(bucket, config, proxy=self._proxy, timeout=self._timeout, connections=connections)

    def _config(self, store: str, act: str = "read") -> Mapping[str, Any]:
        """What is configured for a store such as `s3://photos`."""
        config = self._stores.get(store, self._stores.get(f"{store.partition('://')[0]}://*"))
        if config is None:
            raise InputError(f"{store} is not among the stores that may be {act}")
        return {name: value for name, value in config.items() if name != CAPABILITIES}

    def capabilities(self, store: str) -> Mapping[str, Any]:
        """What a store such as `s3://photos` is configured to be able to do, where that is not the usual."""
        config = self._stores.get(store, self._stores.get(f"{store.partition('://')[0]}://*", {}))
        return dict(config.get(CAPABILITIES, {}))

    def close(self) -> None:
        """Close all connections; repeatable. What is read afterwards opens others."""
        with self._lock:
            self._buckets.clear()
            client, self._http = self._http, None
        if client is not None:
            client.close()

    def _client(self) -> "HttpClient":
        try:
            from bigzip.sources.http import HttpClient, HttpSettings
        except ModuleNotFoundError as error:
            raise InputError("to read from URLs, install bigzip[http]") from error
        with self._lock:
            if self._http is None:
                self._http = HttpClient(
                    HttpSettings(
                        guard=self._guard,
                        headers=self._headers,
                        proxy=self._proxy,
                        stall_seconds=self._timeout,
                        retry=self._retry,
                    )
                )
            return self._http

    @classmethod
    def unguarded(cls) -> "Connections":
        """To every host at every address: for whoever chooses the URLs, and could read from there anyway."""
        stores: dict[str, dict[str, Any]] = {f"{scheme}://*": {} for scheme in STORE_SCHEMES}
        return cls(hosts=["*:*"], networks=["0.0.0.0/0", "::/0"], stores=stores)


def _checked_store(store: str) -> str:
    scheme, _, bucket = store.partition("://")
    if scheme not in STORE_SCHEMES or not bucket or "/" in bucket:
        raise InputError(f"{store!r} is no object store: name a bucket, as in s3://photos, or all with s3://*")
    return store


NO_CONNECTIONS = Connections()
"""Of who asked for none."""
