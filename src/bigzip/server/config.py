"""What a service is configured with: a TOML file, BIGZIP_… variables above it, the command line above both."""

import json
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from bigzip.database.engine import described
from bigzip.errors import InputError, printable
from bigzip.jobs.webhooks import WebhookSettings
from bigzip.server.limits import Limits, usual_slots
from bigzip.server.links import KeyFile, LinkKeysUnreadable, parse_keys
from bigzip.server.logs import LogFormat
from bigzip.server.settings import DAY, SURVEY_LIMIT, Jobs, Settings, default_database, default_place
from bigzip.sources.connections import Connections
from bigzip.sources.roots import RootArgument, Roots
from bigzip.sources.source import READ_SIZE
from bigzip.sources.url import HTTP_SCHEMES, STORE_SCHEMES, is_in_store, parse_url
from bigzip.survey.index import default_path

_NAMED_ROOT: Final = re.compile(r"(?P<name>[\w.-]+)=(?P<place>.+)", re.DOTALL)
_MAYBE_SECRET: Final = frozenset({"stores", "sources", "database", "link_keys", "secrets", "webhooks"})
_KEY_FILE: Final = "link-keys"


class SourcesTable(BaseModel):
    """What manifests may name besides files beneath the roots."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    allow: list[str] = Field(default_factory=list)
    networks: list[str] = Field(default_factory=list)
    headers: dict[str, dict[str, str]] = Field(default_factory=dict)
    proxy: str | None = None


class WebhooksTable(BaseModel):
    """Who may be told of a job's end, and what that is signed with."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", hide_input_in_errors=True)

    allow: list[str] = Field(default_factory=list)
    networks: list[str] = Field(default_factory=list)
    secrets: list[SecretStr] = Field(default_factory=list)


class JobsTable(BaseModel):
    """How jobs are built, here and by `bigzip worker`."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    place: str | None = None
    slots: int | None = Field(default=None, ge=0, le=1_000)
    lease_seconds: float = Field(default=60.0, ge=1)
    seconds: int = Field(default=7 * DAY, ge=60)
    from_bytes: int = Field(default=50_000_000_000, ge=0)
    webhooks: WebhooksTable = Field(default_factory=WebhooksTable)
    broker: SecretStr | None = None


class Configuration(BaseSettings):
    """What can be configured, each with its default. `BIGZIP_PORT` sets port, and `BIGZIP_LIMITS__STREAMS` a limit."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix="BIGZIP_", env_nested_delimiter="__", extra="forbid", env_ignore_empty=True
    )

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    public_url: str | None = None
    database: str = Field(default_factory=default_database)
    index: str = Field(default_factory=default_path)
    link_keys_file: str | None = None
    link_keys: SecretStr | None = None
    log_format: LogFormat = LogFormat.TEXT
    survey_limit: int = Field(default=SURVEY_LIMIT, ge=0)
    archive_seconds: int = Field(default=DAY, ge=60)
    max_archive_seconds: int = Field(default=30 * DAY, ge=60)
    roots: dict[str, str] = Field(default_factory=dict)
    stores: dict[str, dict[str, Any]] = Field(default_factory=dict)
    sources: SourcesTable = Field(default_factory=SourcesTable)
    jobs: JobsTable = Field(default_factory=JobsTable)
    limits: Limits = Field(default_factory=Limits)


def read_configuration(path: str | None, options: Mapping[str, Any]) -> Configuration:
    """What is configured.

    Args:
        path: of the TOML file; None for none.
        options: of the command line, without those that were not given.

    Raises:
        InputError: the file cannot be read, or something in it, in a variable or on the command line cannot be used.
    """
    table = {} if path is None else _read_toml(path)

    class Layered(Configuration):
        @classmethod
        def settings_customise_sources(  # type: ignore[override]  # takes all as keywords, of which it needs two
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            **_: Any,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, init_kwargs=table)

    try:
        return Layered(**options)
    except ValidationError as error:
        where = "the configuration" if path is None else f"--config {path}"
        wrong = "; ".join(_described(one) for one in error.errors(include_url=False))
        raise InputError(f"{where}: {wrong}") from error
    except SettingsError as error:
        raise InputError(f"a BIGZIP_ variable: {printable(str(error))}: give JSON") from error


def _described(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"])
    if error["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{place} is not known"
    given = error["input"]
    is_secret = isinstance(given, dict | list) or not _MAYBE_SECRET.isdisjoint(map(str, error["loc"]))
    shown = "" if is_secret else f" (here: {printable(repr(given))[:80]})"
    return f"{place}: {error['msg'][:1].lower()}{error['msg'][1:]}{shown}"


def _read_toml(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise InputError(f"--config {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"--config {path}: this is not TOML: {error}") from error


def settings_of(configuration: Configuration, roots: Sequence[str] = (), *, use_index: bool = True) -> Settings:
    """What the service is run with.

    Args:
        configuration: what is configured.
        roots: of the command line: DIR or s3://bucket/prefix, or NAME=one of these for each of several.
        use_index: whether to remember what is learned of files.

    Raises:
        InputError: something that is configured cannot be used together, or is not there.
    """
    places = _roots_of(roots, configuration.roots)
    allowed = tuple(_checked_prefix(prefix) for prefix in configuration.sources.allow)
    jobs = configuration.jobs
    return Settings(
        root=places,
        connections=_connections_of(places, configuration, allowed),
        allowed_sources=allowed,
        survey_limit=configuration.survey_limit,
        index=(configuration.index or None) if use_index else None,
        database=configuration.database,
        link_keys=link_keys_of(configuration),
        public_url=_checked_public_url(configuration.public_url),
        archive_seconds=min(configuration.archive_seconds, configuration.max_archive_seconds),
        max_archive_seconds=configuration.max_archive_seconds,
        jobs=Jobs(
            place=_job_place(configuration),
            slots=usual_slots() if jobs.slots is None else jobs.slots,
            lease_seconds=jobs.lease_seconds,
            seconds=jobs.seconds,
            from_bytes=jobs.from_bytes,
            webhooks=_webhooks_of(jobs.webhooks),
            broker=None if jobs.broker is None else jobs.broker.get_secret_value(),
        ),
        limits=configuration.limits,
    )


def _job_place(configuration: Configuration) -> str:
    """Where jobs build archives: by default beside the database."""
    place = configuration.jobs.place or default_place(configuration.database)
    return place if is_in_store(place) else os.path.abspath(place)


def _webhooks_of(table: WebhooksTable) -> WebhookSettings:
    secrets = [secret.get_secret_value() for secret in table.secrets]
    return WebhookSettings.of(allow=table.allow, networks=table.networks, secrets=secrets)


def _roots_of(options: Sequence[str], configured: Mapping[str, str]) -> RootArgument:
    named = dict(configured)
    plain: list[str] = []
    for option in options:
        match = None if os.path.isdir(option) else _NAMED_ROOT.fullmatch(option)
        if match is None:
            plain.append(option)
        elif match["name"] in named:
            raise InputError(f"--root {option}: there is another root of this name")
        else:
            named[match["name"]] = match["place"]
    if plain and (named or len(plain) > 1):
        raise InputError(f"--root {plain[0]}: of several roots, each needs a name: --root NAME={plain[0]}")
    if named:
        root = {name: _checked_root(place, f"the root {name}") for name, place in named.items()}
        Roots(root)  # names that cannot be are refused now
        return root
    return _checked_root(plain[0] if plain else ".", "--root")


def _checked_root(place: str, what: str) -> str:
    if is_in_store(place):
        return place
    if "://" in place:
        raise InputError(f"{what} {place}: only a directory or an object store ({', '.join(STORE_SCHEMES)}) is served")
    if not os.path.isdir(place) or not os.access(place, os.R_OK | os.X_OK):
        raise InputError(f"{what} {place}: is not a directory that can be read")
    return os.path.realpath(place)


def _checked_prefix(prefix: str) -> str:
    """A prefix of URLs that manifests may name; it ends in a slash, so that no name it begins is let in with it."""
    checked = prefix if prefix.endswith("/") else f"{prefix}/"
    if is_in_store(prefix):
        return checked
    if prefix.partition("://")[0] in HTTP_SCHEMES:
        return str(parse_url(checked))
    raise InputError(f"sources.allow: {prefix}: give https://host/… or s3://bucket/…")


def _connections_of(root: RootArgument, configuration: Configuration, allowed: Sequence[str]) -> Connections:
    settings = dict(configuration.stores)
    places = [str(place) for place in (root.values() if isinstance(root, Mapping) else [root])]
    remote = [place for place in [*places, *allowed, _job_place(configuration)] if is_in_store(place)]
    for place in remote:
        scheme, _, rest = place.partition("://")
        store = f"{scheme}://{rest.partition('/')[0]}"
        settings.setdefault(store, settings.get(f"{scheme}://*", {}))
    sources = configuration.sources
    connections = Connections(
        stores=settings,
        hosts=[_host(prefix) for prefix in allowed if not is_in_store(prefix)],
        networks=sources.networks,
        headers=sources.headers,
        proxy=sources.proxy,
    )
    for place in remote:  # what is wrong with settings is known now, and not when somebody asks for a file
        connections.object_root(place.removesuffix("/"), lambda: READ_SIZE)
    return connections


def _host(prefix: str) -> str:
    return parse_url(prefix).origin.partition("://")[2]


def link_keys_of(configuration: Configuration) -> KeyFile:
    """The keys that links are signed with; made where a file is to have them and there is none.

    Raises:
        InputError: they cannot be read.
    """
    if configuration.link_keys is not None:
        return KeyFile(None, parse_keys(configuration.link_keys.get_secret_value()))
    path = configuration.link_keys_file
    if path is None:
        if "://" in configuration.database:
            raise InputError(
                "services that share a database need the same link keys: give link_keys_file or BIGZIP_LINK_KEYS"
            )
        path = os.path.join(os.path.dirname(os.path.abspath(configuration.database)), _KEY_FILE)
    keys = KeyFile(path)
    try:
        keys.keys()
    except LinkKeysUnreadable as error:
        raise InputError(str(error)) from error
    return keys


def _checked_public_url(url: str | None) -> str | None:
    if url is None:
        return None
    parsed = parse_url(url if url.endswith("/") else f"{url}/")
    if "?" in parsed.path:
        raise InputError(f"public_url {printable(url)}: give it without a query")
    return str(parsed).rstrip("/")


def shown_configuration(configuration: Configuration) -> str:
    """All settings as they are in force, as JSON, without secrets."""
    values = configuration.model_dump(mode="json")
    values["stores"] = {store: sorted(settings) for store, settings in configuration.stores.items()}
    values["sources"]["headers"] = {
        origin: sorted(headers) for origin, headers in configuration.sources.headers.items()
    }
    values["database"] = described(configuration.database)
    if configuration.jobs.broker is not None:
        values["jobs"]["broker"] = described(configuration.jobs.broker.get_secret_value())
    if configuration.sources.proxy is not None:
        values["sources"]["proxy"] = described(configuration.sources.proxy)
    return json.dumps(values, indent=2)
