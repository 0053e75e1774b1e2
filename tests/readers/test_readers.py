"""The harness itself, without bigzip: each reader accepts what is sound and refuses what is broken.

The limits and oversights are tested from both sides, so that a reader that learns something fails here too.
"""

import os
import stat
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .archive_writer import Form, Member, write_archive
from .compare import trees_equal
from .features import Damage, Feature, Input, Output, Restores
from .readers import READERS, Reader, ReaderRefused, check, check_many, extract, missing
from .samples import GIANT_FEATURES, PLAIN, TEXT, write_damaged, write_sample

MTIME = 1_600_000_001
"""Odd, so that DOS time cannot hold it."""
DIRECTORIES = {"directory": 0o755, "directory/private": 0o700, "empty": 0o777}
FILES = {"directory/private/text.txt": 0o640, "read-only.txt": 0o444, "script.sh": 0o755, "shared": 0o666}

each_reader = pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
each_extractor = pytest.mark.parametrize(
    "reader", [reader for reader in READERS if reader.extract_command], ids=lambda reader: reader.name
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files and directories of many modes, and two symlinks."""
    root = tmp_path_factory.mktemp("tree")
    for name in DIRECTORIES:
        (root / name).mkdir()
    for name in FILES:
        (root / name).write_bytes(TEXT)
    (root / "empty.txt").touch()
    (root / "link").symlink_to("directory/private/text.txt")
    (root / "link to a directory").symlink_to("directory")
    for name, mode in (FILES | DIRECTORIES).items():
        (root / name).chmod(mode)
    for number, path in enumerate(sorted(root.rglob("*"), reverse=True)):
        os.utime(path, (MTIME + 2 * number,) * 2, follow_symlinks=False)
    return root


@pytest.fixture(scope="module")
def archive_of_tree(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree in bigzip's forms."""
    archive = tmp_path_factory.mktemp("archive") / "tree.zip"
    write_archive(archive, list(_members(tree)))
    return archive


def _members(tree: Path) -> Iterator[Member]:
    for path in sorted(tree.rglob("*")):
        status = path.lstat()
        name, mode, modified = str(path.relative_to(tree)), status.st_mode, int(status.st_mtime)
        if stat.S_ISLNK(mode):
            yield Member(name=name, mode=mode, modified=modified, data=os.readlink(path).encode())
        elif stat.S_ISDIR(mode):
            yield Member(name=f"{name}/", mode=mode, modified=modified)
        else:
            yield Member(name=name, mode=mode, modified=modified, data=path.read_bytes(), form=Form.DEFLATED)


@pytest.fixture(scope="module")
def sound_archives(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Archives by other writers and by ours."""
    directory = tmp_path_factory.mktemp("sound")
    info_zip, cpython, streamed, ours = (directory / f"{name}.zip" for name in ("zip", "py", "stream", "our"))
    subprocess.run(["zip", "-qry", info_zip, "."], cwd=tree, check=True, timeout=60)
    with zipfile.ZipFile(cpython, "w") as zip_file:
        for path in tree.rglob("*"):
            zip_file.write(path, path.relative_to(tree))
    with (
        streamed.open("wb") as output,
        subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=output) as cat,
    ):
        assert cat.stdin is not None
        # zipfile cannot seek in a pipe, so it writes a data descriptor.
        with zipfile.ZipFile(cat.stdin, "w", zipfile.ZIP_DEFLATED) as zip_file:
            zip_file.writestr("text.txt", TEXT)
    write_archive(ours, PLAIN)
    return [info_zip, cpython, streamed, ours]


@pytest.fixture
def any_archive(tmp_path: Path) -> Path:
    """An archive for readers that do not read it."""
    archive = tmp_path / "a.zip"
    write_archive(archive, PLAIN)
    return archive


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Feature]:
    """A sound archive for each feature but the giants."""
    directory = tmp_path_factory.mktemp("samples")
    features = [feature for feature in Feature if feature not in GIANT_FEATURES]
    return {write_sample(directory / f"{feature.name}.zip", feature): feature for feature in features}


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Damage]:
    """A broken archive for each damage."""
    directory = tmp_path_factory.mktemp("damaged")
    return {write_damaged(directory / f"{damage.name}.zip", damage): damage for damage in Damage}


def test_no_reader_is_missing() -> None:
    """Run tests/readers/install.sh, and install stream-unzip, for those that are."""
    assert missing() == []


def test_missing_names_readers_and_what_they_lack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    lacking = missing()
    assert {"unzip lacks unzip", "zip-T lacks zip", "zip-T lacks unzip", "unar lacks lsar"} <= set(lacking)
    assert not [line for line in lacking if line.startswith("zipfile ")]


@each_reader
def test_reader_accepts_sound_archives(reader: Reader, sound_archives: list[Path]) -> None:
    assert check_many(reader, sound_archives) == {}


@each_reader
def test_reader_has_the_limits_it_says(reader: Reader, samples: dict[Path, Feature]) -> None:
    refused = check_many(reader, list(samples))
    assert {samples[archive] for archive in refused} == reader.limits - GIANT_FEATURES
    assert all(reader.reads({feature}) == (feature not in reader.limits) for feature in Feature)


@pytest.mark.parametrize(
    ("reader", "feature"),
    [
        pytest.param(reader, feature, id=f"{reader.name}-{feature.name}")
        for reader in READERS
        for feature in Feature
        if feature in GIANT_FEATURES & reader.limits
    ],
)
def test_reader_refuses_giants_beyond_its_limits(reader: Reader, feature: Feature, tmp_path: Path) -> None:
    """Reading a giant takes up to 40 s, so that readers accept them is left to the tests that make some."""
    with pytest.raises(ReaderRefused):
        check(reader, write_sample(tmp_path / "giant.zip", feature))


@each_reader
def test_reader_refuses_damage(reader: Reader, damaged: dict[Path, Damage]) -> None:
    refused = check_many(reader, list(damaged))
    assert {damaged[archive] for archive in refused} == set(Damage) - reader.overlooks


@each_extractor
def test_extraction_refuses_damaged_data(reader: Reader, damaged: dict[Path, Damage], tmp_path: Path) -> None:
    for archive, damage in damaged.items():
        if damage in (Damage.FLIPPED_DEFLATED_BIT, Damage.CUT_IN_DATA):
            with pytest.raises(ReaderRefused):
                extract(reader, archive, tmp_path / damage.name)


@each_extractor
def test_extraction_restores_what_the_reader_says(
    reader: Reader, tree: Path, archive_of_tree: Path, tmp_path: Path
) -> None:
    extract(reader, archive_of_tree, tmp_path / "into")
    into = tmp_path / "into"
    assert (into / "link").is_symlink() == (Restores.SYMLINKS in reader.restores)
    if Restores.SYMLINKS not in reader.restores:
        for link in ("link", "link to a directory"):
            assert (into / link).read_text() == os.readlink(tree / link)
            (into / link).unlink()
            (into / link).symlink_to(os.readlink(tree / link))
    assert trees_equal(tree, into, modes=False, mtimes=False) == []
    modes = trees_equal(tree, into, modes=True, mtimes=False)
    mtimes = trees_equal(tree, into, modes=False, mtimes=True)
    dos_mtimes = trees_equal(tree, into, modes=False, mtimes=True, mtime_tolerance_seconds=2)
    restores = Restores.MODES if not modes else Restores.NOTHING
    restores |= Restores.MTIMES if not mtimes else Restores.DOS_MTIMES if not dos_mtimes else Restores.NOTHING
    assert restores == reader.restores & ~Restores.SYMLINKS


def test_extract_says_that_a_reader_cannot(tmp_path: Path) -> None:
    reader = Reader(name="lists", check_command=("true",))
    with pytest.raises(ValueError, match="lists cannot extract"):
        extract(reader, tmp_path / "a.zip", tmp_path / "into")


@each_reader
def test_archive_that_is_not_there_is_an_error(reader: Reader, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        check(reader, tmp_path / "nothing.zip")


def test_warning_with_status_0_is_a_refusal(any_archive: Path) -> None:
    """7-Zip accepts bytes after the end, but says so on standard output."""
    any_archive.write_bytes(any_archive.read_bytes() + b"after the end")
    with pytest.raises(ReaderRefused, match="There are data after the end of archive") as refusal:
        check(next(reader for reader in READERS if reader.name == "7zz"), any_archive)
    assert "exit status 0" in str(refusal.value)


def test_broken_process_is_blamed_on_one_archive(tmp_path: Path) -> None:
    archives = [tmp_path / name for name in ("a.zip", "breaks.zip", "c.zip")]
    for archive in archives:
        write_archive(archive, PLAIN)
    script = 'for archive; do case "$archive" in *breaks*) exit 9;; esac; echo ok; done'
    reader = Reader(name="script", check_command=("sh", "-c", script, "sh", "{archive}"), output=Output.VERDICTS)
    assert list(check_many(reader, archives)) == [tmp_path / "breaks.zip"]
    assert check_many(reader, []) == {}


@pytest.mark.parametrize("script", ["echo careful >&2", "echo careful", "exit 3"])
def test_any_message_or_status_is_a_refusal(script: str, any_archive: Path) -> None:
    with pytest.raises(ReaderRefused):
        check(Reader(name="script", check_command=("sh", "-c", script)), any_archive)


def test_hanging_reader_is_killed_with_its_children(tmp_path: Path, any_archive: Path) -> None:
    """The child holds a FIFO open, so reading to the end of that ends only if the child is dead."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    hanging = Reader(name="hangs", check_command=("sh", "-c", f"sleep 600 >'{fifo}' & wait"))
    with os.fdopen(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as end:
        with pytest.raises(ReaderRefused, match=r"killed after 0\.5 s"):
            check(hanging, any_archive, timeout_seconds=0.5)
        os.set_blocking(end.fileno(), True)
        assert end.read() == b""


def test_reader_of_a_pipe_gets_a_pipe(any_archive: Path) -> None:
    script = f"test -p /dev/stdin && cmp - '{any_archive}'"
    check(Reader(name="pipe", check_command=("sh", "-c", script), input=Input.PIPE), any_archive)


def test_readers_run_in_a_fixed_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, any_archive: Path) -> None:
    """Java and shells fail in a working directory that is gone, so they do not run in ours."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("UNZIP", "-x *")
    script = 'test "$TZ $LC_ALL ${UNZIP-none}" = "UTC C.UTF-8 none" && test -d "$(pwd)"'
    check(Reader(name="environment", check_command=("sh", "-c", script)), any_archive)
