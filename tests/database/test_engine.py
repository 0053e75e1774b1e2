"""Opening databases: their tables, older and newer ones, several processes at once, and what cannot be opened."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, text

from bigzip.database.archives import ArchiveStore
from bigzip.database.engine import described, open_database
from bigzip.database.schema import METADATA
from bigzip.errors import InputError, OutputError
from tests.server.service import wait_until

from .postgresql import running_postgresql

_OPEN = "import sys; from bigzip.database.engine import open_database; open_database(sys.argv[1])"


def test_the_steps_lead_to_the_tables_as_they_are_declared(engine: Engine) -> None:
    with engine.begin() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_opening_again_keeps_what_is_there(place: str, engine: Engine) -> None:
    ArchiveStore(engine).claim_key("shop", "one")
    again = open_database(place)
    with again.begin() as connection:
        assert connection.execute(text("SELECT key FROM idempotency_keys")).scalars().all() == ["one"]
    again.dispose()


def test_processes_may_open_a_new_one_together(place: str) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", _OPEN, place], stderr=subprocess.PIPE) for _ in range(4)]
    errors = [process.communicate(timeout=60)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, errors


def test_one_of_a_newer_version_is_left_alone(place: str, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(InputError, match="made by a newer version of bigzip"):
        open_database(place)


def test_the_file_and_its_directory_are_nobody_elses(tmp_path: Path) -> None:
    open_database(str(tmp_path / "state" / "service.sqlite")).dispose()
    assert (tmp_path / "state").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("place", "error", "message"),
    [
        ("mysql://localhost/x", InputError, "of kind 'mysql' cannot be used"),
        ("postgresql://host:port/x", InputError, "cannot be read: give postgresql://"),
        ("postgresql://me:hidden-word@127.0.0.1:1/x", OutputError, r"postgresql://me:\*\*\*@127.0.0.1:1/x: connection"),
        ("/proc/no/such", OutputError, "the database /proc/no/such: "),
    ],
)
def test_what_cannot_be_opened_is_said(place: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        open_database(place)
    assert "hidden-word" not in str(raised.value)


def test_what_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("this is no database " * 100)
    with pytest.raises(OutputError, match="file is not a database"):
        open_database(str(tmp_path / "text"))
    assert os.path.getsize(tmp_path / "text") == 2_000


def test_a_server_that_is_not_there_yet_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    with (
        TemporaryDirectory() as directory,
        running_postgresql(Path(directory)) as server,
        ThreadPoolExecutor(1) as threads,
    ):
        place = server.new_database()
        with server.stopped():
            opened = threads.submit(open_database, place, patience_seconds=60.0)
            wait_until(lambda: "waiting for it" in caplog.text, "it is tried")
            assert not opened.done()
        opened.result(60).dispose()


def test_a_password_is_not_shown() -> None:
    assert described("postgresql://me:word@db/zip") == "postgresql://me:***@db/zip"
    assert described("/var/lib/a\nb") == "/var/lib/a\\nb"
