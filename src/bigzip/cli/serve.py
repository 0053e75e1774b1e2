"""`bigzip serve`, and the tokens and keys of its callers: `bigzip token`, `bigzip key`."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from bigzip.cli.signals import hang_up_as_terminate
from bigzip.cli.status import reporting
from bigzip.cli.streams import print_result, say
from bigzip.errors import InputError, printable
from bigzip.server.logs import LogFormat

if TYPE_CHECKING:
    from bigzip.database.tokens import Token, TokenStore
    from bigzip.server.config import Configuration

token_app = typer.Typer(
    name="token",
    help="Tokens for those who call the service. From the first one on, nobody is served without.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
key_app = typer.Typer(
    name="key", help="The keys that download links are signed with.", no_args_is_help=True, rich_markup_mode=None
)

_DURATION: Final = re.compile(r"(?P<number>\d{1,6})(?P<unit>[smhd])", re.ASCII)
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_LIMIT: Final = re.compile(r"(?P<name>[a-z_]+)=(?P<value>\d{1,18})", re.ASCII)

ConfigOption = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help='TOML: port, public_url, database, [roots], [stores."s3://bucket"], [limits] and more. BIGZIP_… variables '
        "and options here come before it.",
    ),
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="PLACE",
        help="Of archives and tokens: the path of an SQLite file, by default in the user's state directory, or "
        "postgresql://…",
    ),
]


@reporting()
def serve(
    root: Annotated[
        list[str] | None,
        typer.Option(
            "--root",
            metavar="[NAME=]PLACE",
            help="What is served, and nothing outside it: a directory, or s3://bucket/prefix; by default the current "
            "directory. May be given again, then each with a name.",
        ),
    ] = None,
    config: ConfigOption = None,
    host: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="By default 127.0.0.1; others than this machine's own need tokens."),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, metavar="NUMBER", help="By default 8080; 0 takes a free one.")
    ] = None,
    database: DatabaseOption = None,
    index: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Where to remember CRC-32s and compressed sizes, so that a file is read for them once. By default "
            "in the user's cache directory, or where BIGZIP_INDEX says.",
        ),
    ] = None,
    use_index: Annotated[bool, typer.Option("--use-index/--no-index", help="Whether to remember them.")] = True,
    check_config: Annotated[
        bool, typer.Option("--check-config", help="Check the configuration, print what is in force, and end.")
    ] = False,
    log_format: Annotated[
        LogFormat | None,
        typer.Option(help="Of the log on standard error: lines (text, by default), or a JSON object for each."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No line for each request.")] = False,
) -> None:
    """Serve the files of directories and object stores as ZIPs, with a web page to choose them. Ctrl-C ends it."""
    configuration = configuration_of(
        config, host=host, port=port, database=database, index=index, log_format=log_format
    )
    with needs("server"):
        from bigzip.database.engine import open_database
        from bigzip.database.tokens import TokenStore
        from bigzip.server.access import is_loopback
        from bigzip.server.config import settings_of, shown_configuration
        from bigzip.server.run import bind
        from bigzip.server.run import serve as run_service
        from bigzip.server.webhooks import sending
        from bigzip.server.working import embedded_worker
    settings = settings_of(configuration, root or [], use_index=use_index)
    if check_config:
        print_result(shown_configuration(configuration))
        return
    if not is_loopback(configuration.host):
        if not TokenStore(open_database(configuration.database)).any_made():
            raise InputError(
                f"--host {configuration.host}: without tokens the service listens on a loopback address only "
                "(127.0.0.1 or ::1); make one with: bigzip token create OWNER"
            )
        settings = replace(settings, needs_tokens=True)
    listener = bind(configuration.host, configuration.port)
    address = listener.getsockname()
    shown = f"[{address[0]}]" if ":" in address[0] else address[0]
    hang_up_as_terminate()
    whom = "this machine only" if is_loopback(configuration.host) else "with tokens"
    what = printable(settings.roots.described())
    print_result(f"bigzip serves {what} at http://{shown}:{address[1]}/ ({whom})")
    with embedded_worker(configuration, root or [], slots=settings.jobs.slots), sending(settings):
        run_service(settings, listener, quiet=quiet, log_format=configuration.log_format)


@token_app.command()
@reporting()
def create(
    owner: Annotated[str, typer.Argument(metavar="OWNER", help="Whose archives are made and seen with it.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            metavar="SCOPE",
            help="archives: make archives of manifests. files: browse, and have ZIPs at once. metrics: read the "
            "metrics. May be given again; by default archives and files.",
        ),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            "--limit",
            metavar="NAME=N",
            help="entries or archive_bytes of one archive, streams at once: lower than the service's.",
        ),
    ] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="TIME", help="From now: 90d, 12h, 30m; by default never.")
    ] = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Make a token and print it. It is shown this once: what is kept of it cannot be used."""
    with _token_store(config, database) as store:
        token, text = store.create(
            owner,
            _scopes(scope or ["archives", "files"]),
            limits=_limits(limit or []),
            seconds=duration("--expires", expires),
        )
    if as_json:
        print_result(json.dumps(_fields(token) | {"token": text}))
        return
    print_result(text)
    say(f"bigzip: token {token.id} of {owner}; it is not shown again")


@token_app.command("list")
@reporting()
def list_tokens(
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Show all tokens, without their secrets."""
    with _token_store(config, database) as store:
        tokens = store.all()
    if as_json:
        print_result(json.dumps([_fields(token) for token in tokens]))
        return
    for token in tokens:
        state = "revoked" if token.revoked else "expires " + _shown(token.expires) if token.expires else "never expires"
        limits = "".join(f" {name}={value}" for name, value in sorted(token.limits.items()))
        scopes = ",".join(sorted(token.scopes))
        print_result(f"{token.id}  {token.owner}  {scopes}{limits}  made {_shown(token.created)}  {state}")


@token_app.command()
@reporting()
def revoke(
    identity: Annotated[str, typer.Argument(metavar="ID", help="As `bigzip token list` shows it.")],
    config: ConfigOption = None,
    database: DatabaseOption = None,
) -> None:
    """Have a token accepted no more. Services notice within 5 seconds; links that were made with it stay good."""
    with _token_store(config, database) as store:
        store.revoke(identity)
    say(f"bigzip: token {identity} is revoked")


@key_app.command()
@reporting()
def rotate(config: ConfigOption = None, database: DatabaseOption = None) -> None:
    """Sign with a new key from now on. Links of the key before stay good; those of the one before that do not."""
    configuration = configuration_of(config, database=database)
    from bigzip.server.config import link_keys_of

    link_keys_of(configuration).rotate()
    say("bigzip: links are signed with a new key; those of the key before stay good until the next time")


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Say which extra to install, where something in the block cannot be imported."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("bigzip"):
            raise
        raise InputError(f"this needs {error.name}; install it with: pip install 'bigzip[{extra}]'") from error


def configuration_of(config: str | None, **options: Any) -> "Configuration":
    """What is configured; `options` of the command line, None where one was not given."""
    with needs("server"):
        from bigzip.server.config import read_configuration
    return read_configuration(config, {name: value for name, value in options.items() if value is not None})


@contextmanager
def _token_store(config: str | None, database: str | None) -> "Iterator[TokenStore]":
    configuration = configuration_of(config, database=database)
    from bigzip.database.engine import open_database
    from bigzip.database.tokens import TokenStore

    engine = open_database(configuration.database)
    try:
        yield TokenStore(engine)
    finally:
        engine.dispose()


def _scopes(names: list[str]) -> list[Any]:
    from bigzip.database.tokens import Scope

    try:
        return [Scope(name) for name in names]
    except ValueError as error:
        raise InputError(f"--scope: known are {', '.join(Scope)}") from error


def _limits(options: list[str]) -> dict[str, int]:
    limits = {}
    for option in options:
        match = _LIMIT.fullmatch(option)
        if match is None:
            raise InputError(f"--limit {option}: give NAME=N, as streams=10")
        limits[match["name"]] = int(match["value"])
    return limits


def duration(option: str, text: str | None) -> int | None:
    """The seconds of an option such as 90d; None where it was not given."""
    if text is None:
        return None
    match = _DURATION.fullmatch(text)
    if match is None or not int(match["number"]):
        raise InputError(f"{option} {text}: give a number of days, hours, minutes or seconds, as 90d")
    return int(match["number"]) * _UNITS[match["unit"]]


def _fields(token: "Token") -> dict[str, Any]:
    return {
        "id": token.id,
        "owner": token.owner,
        "scopes": sorted(token.scopes),
        "limits": dict(token.limits),
        "created": _shown(token.created),
        "expires": None if token.expires is None else _shown(token.expires),
        "revoked": None if token.revoked is None else _shown(token.revoked),
    }


def _shown(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
