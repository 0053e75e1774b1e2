"""Opening the database: SQLite by path, anything else by URL; its tables are brought up to date."""

import logging
import os
import sqlite3
import time
from collections.abc import Callable
from importlib.resources import files
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from bigzip.errors import InputError, OutputError, printable

_log = logging.getLogger("bigzip")
_BUSY_SECONDS: Final = 15
_AGAIN_SECONDS: Final = 0.5
_PRIVATE: Final = 0o600
_POOL: Final[dict[str, Any]] = {"pool_size": 20, "max_overflow": 20, "pool_timeout": 10}
_POSTGRESQL: Final = {
    "connect_timeout": 10,
    "options": "-c statement_timeout=30000",
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""A server that does not answer is given up, in seconds and milliseconds."""
_IS_READING: Final = "bigzip_is_reading"
_GIVES_UP: Final = "bigzip_gives_up"
_PRIMARY_CODE: Final = 0xFF
"""The part of SQLite's result codes that says what is wrong at all."""
_UPGRADE_LOCK: Final = 0x6269677A6970
"""PostgreSQL's advisory locks are numbers: this one spells bigzip."""


def open_database(place: str, *, patience_seconds: float = 0.0) -> Engine:
    """The database at `place`, with its tables as this version knows them; repeatable, from any number of processes.

    Args:
        place: the path of an SQLite file, which is made if it is not there, or a URL such as
            `postgresql://user:password@host/name`.
        patience_seconds: how long a server that does not answer is tried again, and a file that another has locked.

    Raises:
        InputError: this is no database that can be used.
        OutputError: it cannot be reached or written.
    """
    engine, ending = _engine(place), time.monotonic() + patience_seconds
    while True:
        try:
            _upgrade(engine)
        except SQLAlchemyError as error:
            if not _may_pass(error) or time.monotonic() >= ending:
                engine.dispose()
                raise OutputError(f"the database {described(place)}: {_reason(error)}") from error
            _log.warning("the database %s: %s; waiting for it", described(place), _reason(error))
            time.sleep(_AGAIN_SECONDS)
        except CommandError as error:
            engine.dispose()
            raise InputError(
                f"the database {described(place)} was made by a newer version of bigzip; use that, or another database"
            ) from error
        else:
            return engine


def _upgrade(engine: Engine) -> None:
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})"))
        config = Config()
        config.set_main_option("script_location", str(files("bigzip.database").joinpath("migrations")))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _may_pass(error: SQLAlchemyError) -> bool:
    """Whether it is not said that the same will fail the next time."""
    if not isinstance(error, OperationalError):
        return False
    return not isinstance(error.orig, sqlite3.Error) or _is_locked(error)


def _is_locked(error: SQLAlchemyError) -> bool:
    """Whether somebody else is writing to an SQLite file, and was not done before long."""
    cause = error.orig if isinstance(error, OperationalError) else None
    return isinstance(cause, sqlite3.Error) and cause.sqlite_errorcode & _PRIMARY_CODE == sqlite3.SQLITE_BUSY


def for_reading(engine: Engine) -> Engine:
    """The same database, for transactions that write nothing: they wait for nobody."""
    return engine.execution_options(**{_IS_READING: True})


def patient(engine: Engine, gives_up: Callable[[], bool]) -> Engine:
    """The same database, for transactions that wait for however long somebody else has an SQLite file locked.

    As a backup does, or a tool. `gives_up` is asked every few seconds, and lets them fail.
    """
    return engine.execution_options(**{_GIVES_UP: gives_up})


def described(place: str) -> str:
    """The place as it can be shown: without a password, be it before the host or in the query."""
    if "://" not in place:
        return printable(place)
    try:
        return printable(make_url(place).set(query={}).render_as_string(hide_password=True))
    except (ArgumentError, ValueError):
        return f"{place.partition('://')[0]}://…"


def _engine(place: str) -> Engine:
    if "://" not in place:
        try:
            os.makedirs(os.path.dirname(os.path.abspath(place)), mode=0o700, exist_ok=True)
            os.close(os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE))
        except OSError as error:
            raise OutputError(f"the database {described(place)}: {error.strerror}") from error
        engine = create_engine(f"sqlite:///{os.path.abspath(place)}", connect_args={"timeout": _BUSY_SECONDS}, **_POOL)
        _set_up_sqlite(engine)
        return engine
    try:
        url = make_url(place)
        if url.drivername in ("postgresql", "postgres"):
            url = url.set(drivername="postgresql+psycopg")
        if url.get_backend_name() != "postgresql":
            raise InputError(
                f"a database of kind {url.get_backend_name()!r} cannot be used: give a path or postgresql://…"
            )
        return create_engine(url, pool_pre_ping=True, connect_args=_POSTGRESQL, **_POOL)
    except ModuleNotFoundError as error:
        raise InputError("PostgreSQL needs psycopg; install it with: pip install 'bigzip[postgresql]'") from error
    except (ArgumentError, ValueError) as error:
        raise InputError("the database's URL cannot be read: give postgresql://user:password@host/name") from error


def _set_up_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: object) -> None:
        connection.isolation_level = None  # transactions begin where SQLAlchemy says
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get(_IS_READING):
            connection.exec_driver_sql("BEGIN")
            return
        while True:
            try:
                # One that reads first and writes later would fail, not wait, when another has written in between.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            except OperationalError as error:
                if not _is_locked(error) or options.get(_GIVES_UP, _at_once)():
                    raise
                _log.warning("the database has been locked by somebody else for %s s; waiting", _BUSY_SECONDS)
            else:
                return


def _at_once() -> bool:
    return True


def _reason(error: SQLAlchemyError) -> str:
    return printable(str(getattr(error, "orig", None) or error).strip().partition("\n")[0])
