"""The database's clock: leases and delays of all processes are by this one."""

from typing import Any

from sqlalchemy import ColumnElement, Double, func
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class now(FunctionElement[float]):  # noqa: N801  # as functions of SQL are written
    """The database's time, in seconds since 1970."""

    type = Double()
    inherit_cache = True


@compiles(now, "sqlite")
def _sqlite_now(*_: Any, **__: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(now, "postgresql")
def _postgresql_now(*_: Any, **__: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"


def lives(lease_until: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a lease has not ended."""
    return func.coalesce(lease_until, 0.0) > now()
