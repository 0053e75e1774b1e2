"""Azure Blob Storage, to be written to: a container's client, from the settings that obstore reads with.

obstore puts whole blobs alone; archives are put in blocks, which Microsoft's own library does.
"""

import base64
import binascii
import os
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

import requests
from azure.core.credentials import AccessToken, AzureSasCredential, TokenCredential
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import ContainerClient, ExponentialRetry
from requests.adapters import HTTPAdapter

from bigzip.errors import InputError, printable
from bigzip.sources.url import without_urls

_ALIASES: Final = {
    "access_key": "account_key",
    "master_key": "account_key",
    "sas_token": "sas_key",
    "bearer_token": "token",
    "authority_id": "tenant_id",
    "object_store_use_emulator": "use_emulator",
}
_SETTINGS: Final = (
    "account_name",
    "account_key",
    "sas_key",
    "token",
    "client_id",
    "client_secret",
    "tenant_id",
    "endpoint",
    "use_emulator",
)
_PREFIXES: Final = ("azure_storage_", "azure_")
_EMULATOR_ACCOUNT: Final = "devstoreaccount1"
_EMULATOR_KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The same everywhere, and no secret: in Microsoft's documentation of the emulator."""
_EMULATOR_URL: Final = "http://127.0.0.1:10000"
_ATTEMPTS: Final = 6
_TRUE: Final = ("1", "true", "yes", "on")
_FOR_EVER: Final = 1 << 33


class AzureContainer(NamedTuple):
    """A container that can be written to."""

    client: ContainerClient
    account_name: str
    account_key: str | None
    """With which links can be signed; None where the credentials are others."""


def azure_container(
    container: str, config: Mapping[str, Any], *, proxy: str | None, timeout: float, connections: int
) -> AzureContainer:
    """A container's client: patient, for any number of threads.

    Args:
        container: its name.
        config: `account_name`, one of `account_key`, `sas_key`, `token`, or `client_id`, `client_secret` and
            `tenant_id`; `endpoint`, `use_emulator`. What is not there comes from the variables that obstore has it
            from; without any credential it is looked for as by all of Microsoft's libraries.
        proxy: the URL of one that all requests go through.
        timeout: seconds that the server may be silent.
        connections: that are kept open at most.

    Raises:
        InputError: the configuration cannot be used.
    """
    settings = _settings(container, config)
    if str(settings.get("use_emulator", "")).lower() in _TRUE:
        url = os.environ.get("AZURITE_BLOB_STORAGE_URL", _EMULATOR_URL)
        emulator = {"account_name": _EMULATOR_ACCOUNT, "account_key": _EMULATOR_KEY}
        settings = emulator | {"endpoint": f"{url.rstrip('/')}/{_EMULATOR_ACCOUNT}"} | settings
    name = settings.get("account_name")
    if not name:
        raise InputError(f"az://{container}: account_name is missing")
    session = requests.Session()
    session.mount("http://", HTTPAdapter(pool_connections=1, pool_maxsize=connections))
    session.mount("https://", HTTPAdapter(pool_connections=1, pool_maxsize=connections))
    try:
        client = ContainerClient(
            settings.get("endpoint") or f"https://{name}.blob.core.windows.net",
            container,
            credential=_credential(name, settings),
            transport=RequestsTransport(session=session),
            retry_policy=ExponentialRetry(initial_backoff=1, increment_base=2, retry_total=_ATTEMPTS - 1),
            connection_timeout=timeout,
            read_timeout=timeout,
            proxies={"http": proxy, "https": proxy} if proxy else None,
        )
    except (ValueError, TypeError) as error:
        raise InputError(f"az://{container}: {printable(without_urls(str(error)))}") from error
    return AzureContainer(client, name, settings.get("account_key"))


def _settings(container: str, config: Mapping[str, Any]) -> dict[str, str]:
    """What is configured, by the first of its names, with what the environment has besides."""
    given = {_plain(name): str(value) for name, value in config.items()}
    if wrong := [name for name in given if name not in _SETTINGS]:
        raise InputError(
            f"az://{container}: with the setting {printable(wrong[0])}, archives cannot be built; known are "
            f"{', '.join(_SETTINGS)}"
        )
    variables = {
        _plain(name.lower()): value
        for name, value in os.environ.items()
        if name.startswith("AZURE_") and value and _plain(name.lower()) in _SETTINGS
    }
    return variables | given


def _plain(name: str) -> str:
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            name = name.removeprefix(prefix)
            break
    return _ALIASES.get(name, name)


def _credential(account: str, settings: Mapping[str, str]) -> Any:
    if key := settings.get("account_key"):
        try:
            base64.b64decode(key, validate=True)
        except binascii.Error as error:
            raise ValueError("the account_key is not base64") from error
        return {"account_name": account, "account_key": key}
    if signature := settings.get("sas_key"):
        if not parse_qsl(signature.removeprefix("?")):
            raise ValueError("the sas_key is none")
        return AzureSasCredential(signature.removeprefix("?"))
    if token := settings.get("token"):
        return _FixedToken(token)
    from azure.identity import ClientSecretCredential, DefaultAzureCredential

    identity, secret, tenant = (settings.get(name) for name in ("client_id", "client_secret", "tenant_id"))
    if identity and secret and tenant:
        return ClientSecretCredential(tenant, identity, secret)
    return DefaultAzureCredential(managed_identity_client_id=identity)


class _FixedToken(TokenCredential):
    """A token that somebody else sees to."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken(self._token, _FOR_EVER)
