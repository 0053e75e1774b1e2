"""Archives of every form, judged by all foreign readers and by our own checker; extracted trees equal the source."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

import bigzip
from bigzip.archive import MethodName
from bigzip.testing.virtual import Content, Tells, VirtualSource
from bigzip.verification import verify
from tests.readers.compare import trees_equal
from tests.readers.features import Feature, Restores
from tests.readers.readers import READERS, Reader, check, extract, missing

MIB = 1 << 20
GIB = 1 << 30
TEXT = b"".join(b"line %d of a text that deflate makes smaller\n" % n for n in range(60_000))
NOISE = os.urandom(2 * MIB + 17)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A kind of archive, how to make it of the tree, and what readers must know for it."""

    name: str
    make: Callable[[Path], Iterator[bytes]]
    features: frozenset[Feature] = frozenset()
    holds_tree: bool = False
    """Whether extracting it gives the tree that it was made of."""


def _tree_archive(tree: Path, method: MethodName, **options: str) -> bigzip.Archive:
    archive = bigzip.Archive(method=method, symlinks="store", **options)  # type: ignore[arg-type]  # literals
    archive.add(tree, "")
    return archive


def _mixed(tree: Path) -> bigzip.Plan:
    archive = _tree_archive(tree, "auto", comment="an archive's comment: größer")
    archive.add(TEXT, "added/stored.txt", method="store", comment="an entry's comment")
    archive.add(TEXT, "added/small.txt", level=9, comment="Kommentar für einen Eintrag")
    archive.add(b"", "added/empty.txt")
    archive.add(b"no time, mode 600", "added/secret.txt", mode=0o600)
    archive.add(b"before 1980", "added/1969.txt", modified=-86_400)
    archive.add(b"after 2038", "added/2099.txt", modified=4_080_000_000)
    return archive.plan()


def _unknown_sizes(_: Path) -> Iterator[bytes]:
    archive = bigzip.Archive(comment="streams")
    archive.add(iter([TEXT[:100_000]]), "small.txt")
    archive.add(iter([TEXT, TEXT]), "large.txt", method="deflate")
    archive.add(iter([NOISE, NOISE]), "large.bin", method="store")
    archive.add(iter([NOISE]), "sized.bin", method="store", size=len(NOISE))
    archive.add(iter([]), "nothing.txt")
    return archive.iter_bytes()


def _followed(tree: Path) -> Iterator[bytes]:
    archive = bigzip.Archive(symlinks="follow")
    archive.add(tree, "tree")
    return archive.plan().iter_bytes()


def _directories(_: Path) -> Iterator[bytes]:
    archive = bigzip.Archive()
    archive.add(b"1", "a/b/c/d.txt")
    archive.add(b"2", "a/e.txt")
    return archive.plan().iter_bytes()


def _unicode(_: Path) -> Iterator[bytes]:
    archive = bigzip.Archive()
    for name in ("日本語.txt", "Ünïcödé/naïve.txt", "emoji 🎉.txt", "عربي.txt", "a b  c.txt", "plain.txt"):
        archive.add(name.encode(), name)
    return archive.plan().iter_bytes()


_LINK, _DESCRIPTOR, _BLOCKS = Feature.SYMLINK, Feature.DESCRIPTOR, Feature.STORED_BLOCKS
_UTF_8 = Feature.NAME_NOT_ASCII

SAMPLES = (
    Sample(
        name="stored",
        make=lambda tree: _tree_archive(tree, "store").plan().iter_bytes(),
        features=frozenset({_LINK, _UTF_8}),
        holds_tree=True,
    ),
    Sample(
        name="deflated",
        make=lambda tree: _tree_archive(tree, "deflate").plan().iter_bytes(),
        features=frozenset({_LINK, _UTF_8}),
        holds_tree=True,
    ),
    Sample(
        name="stored-blocks",
        make=lambda tree: _tree_archive(tree, "store").plan(survey="sizes").iter_bytes(),
        features=frozenset({_LINK, _UTF_8, _BLOCKS}),
        holds_tree=True,
    ),
    Sample(
        name="streamed-deflate",
        make=lambda tree: _tree_archive(tree, "deflate").iter_bytes(),
        features=frozenset({_LINK, _UTF_8, _DESCRIPTOR}),
        holds_tree=True,
    ),
    Sample(
        name="streamed-store",
        make=lambda tree: _tree_archive(tree, "store").iter_bytes(),
        features=frozenset({_LINK, _UTF_8, _BLOCKS}),
        holds_tree=True,
    ),
    Sample(
        name="mixed",
        make=lambda tree: _mixed(tree).iter_bytes(),
        features=frozenset({_LINK, _UTF_8, Feature.COMMENT, Feature.ENTRY_COMMENT}),
    ),
    Sample(
        name="unknown-sizes",
        make=_unknown_sizes,
        features=frozenset({_DESCRIPTOR, _BLOCKS, Feature.COMMENT}),
    ),
    Sample(name="followed-links", make=_followed, features=frozenset({_UTF_8})),
    Sample(name="implied-directories", make=_directories),
    Sample(name="unicode", make=_unicode, features=frozenset({_UTF_8})),
    Sample(name="empty", make=lambda _: bigzip.Archive().plan().iter_bytes(), features=frozenset({Feature.EMPTY})),
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with everything in it that a file system has and an archive can keep."""
    root = tmp_path_factory.mktemp("source") / "tree"
    files = {
        "text.txt": TEXT,
        "noise.bin": NOISE,
        "empty": b"",
        "docs/read me.md": b"# hello\n",
        "docs/深い/ファイル.txt": "日本語".encode(),
        "docs/one-block.bin": NOISE[:MIB],
        "docs/one-more-byte.bin": NOISE[: MIB + 1],
        "bin/run.sh": b"#!/bin/sh\n",
        "photo.jpg": NOISE[:5_000],
    }
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (root / "empty directory").mkdir()
    (root / "bin/run.sh").chmod(0o755)
    (root / "docs/read me.md").chmod(0o640)
    (root / "link to run").symlink_to("bin/run.sh")
    # No link that goes up: 7-Zip does not extract "../text.txt", although it stays inside.
    (root / "link into docs").symlink_to("docs/one-block.bin")
    paths = sorted(root.rglob("*"), key=lambda path: -len(path.parts))
    for number, path in enumerate(paths):
        # Even seconds, for readers that know MS-DOS time only; in winter and in summer.
        os.utime(path, (0, 1_700_000_000 + number * 5_000_000), follow_symlinks=False)
    os.utime(root, (0, 1_600_000_000))
    return root


@pytest.fixture(scope="module")
def archives(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each sample as a file."""
    directory = tmp_path_factory.mktemp("archives")
    paths = {}
    for sample in SAMPLES:
        paths[sample.name] = path = directory / f"{sample.name}.zip"
        with path.open("wb") as file:
            file.writelines(sample.make(tree))
    return paths


def test_all_readers_are_installed() -> None:
    """A reader that is not there is named, not passed over."""
    assert missing() == []


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_verify_accounts_for_every_byte(sample: Sample, archives: dict[str, Path]) -> None:
    report = verify(archives[sample.name])
    assert report.problems == ()
    assert report.sound


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_reader_takes_every_form_without_a_warning(reader: Reader, archives: dict[str, Path]) -> None:
    for sample in SAMPLES:
        if reader.reads(sample.features):
            check(reader, archives[sample.name])


@pytest.mark.parametrize("reader", [r for r in READERS if r.extract_command], ids=lambda reader: reader.name)
def test_extracted_tree_equals_the_source(
    reader: Reader, archives: dict[str, Path], tree: Path, tmp_path: Path
) -> None:
    links_come_back = Restores.SYMLINKS in reader.restores
    for sample in SAMPLES:
        if not sample.holds_tree or not reader.reads(sample.features):
            continue
        into = tmp_path / sample.name
        extract(reader, archives[sample.name], into)
        if not links_come_back:
            _make_links_files(into, tree)
        differences = trees_equal(
            tree,
            into,
            modes=Restores.MODES in reader.restores,
            mtimes=bool(reader.restores & (Restores.MTIMES | Restores.DOS_MTIMES)),
            mtime_tolerance_seconds=2 if Restores.DOS_MTIMES in reader.restores else 0,
        )
        assert differences == [], sample.name


def _make_links_files(extracted: Path, tree: Path) -> None:
    """Where a reader writes a link's target into a file, see that it is right, and make the link."""
    parents = {path.parent: path.parent.stat() for path in extracted.rglob("*")}
    for link in (path for path in tree.rglob("*") if path.is_symlink()):
        file = extracted / link.relative_to(tree)
        assert file.read_text() == os.readlink(link)
        file.unlink()
        file.symlink_to(os.readlink(link))
    for parent, status in parents.items():
        os.utime(parent, ns=(status.st_atime_ns, status.st_mtime_ns))


@dataclass(frozen=True, slots=True, kw_only=True)
class Giant:
    """An archive over 4 GiB, of zeros, that takes little disk."""

    name: str
    make: Callable[[], Iterator[bytes]]
    features: frozenset[Feature]


def _giant(size: int) -> bigzip.Archive:
    """Small, giant, small."""
    archive = bigzip.Archive(method="store")
    archive.add(b"before", "before.txt")
    archive.add(VirtualSource(size, content=Content.ZEROS, tells=Tells.SIZE | Tells.CRC32), "giant.bin")
    archive.add(b"after", "after.txt")
    archive.add(TEXT, "text.txt", method="deflate")
    return archive


def _deflated_giant(size: int | None) -> Iterator[bytes]:
    archive = bigzip.Archive(method="deflate", level=1)
    zeros = VirtualSource(4 * GIB + 12_345, content=Content.ZEROS, repeatable=False, tells=Tells.NOTHING)
    archive.add(zeros, "giant.bin", size=size)
    archive.add(b"after", "after.txt")
    return archive.iter_bytes()


_HEADERS = len(b"before.txt") + len(b"before") + len(b"giant.bin") + 2 * 30
"""What stands before the giant's data where no header has an extra field."""

_OVER = frozenset({Feature.ZIP64_SIZE, Feature.ZIP64_OFFSET})

GIANTS = (
    Giant(name="stored", make=lambda: _giant(4 * GIB + 1).plan().iter_bytes(), features=_OVER),
    Giant(
        name="descriptor",
        make=lambda: _deflated_giant(4 * GIB + 12_345),
        features=frozenset({Feature.ZIP64_DESCRIPTOR, Feature.DESCRIPTOR}),
    ),
)
BOUNDARIES = (
    *(
        Giant(
            name=f"size 2^32{below:+}",
            make=lambda size=4 * GIB + below: _giant(size).plan().iter_bytes(),  # type: ignore[misc]
            features=_OVER if below >= -1 else frozenset({Feature.ZIP64_OFFSET}),
        )
        for below in (-2, -1, 0)
    ),
    *(
        Giant(
            name=f"offset 2^32{below:+}",
            make=lambda size=4 * GIB + below - _HEADERS: _giant(size).plan().iter_bytes(),  # type: ignore[misc]
            features=frozenset({Feature.ZIP64_OFFSET}),
        )
        for below in (-2, -1, 0)
    ),
    Giant(
        name="unknown size",
        make=lambda: _deflated_giant(None),
        features=frozenset({Feature.UNKNOWN_SIZE_OVER_4G, Feature.DESCRIPTOR}),
    ),
)


def _write_sparse(path: Path, chunks: Iterator[bytes]) -> None:
    """Write chunks; those of zeros as holes."""
    zeros = bytes(MIB)
    with path.open("wb") as file:
        for chunk in chunks:
            if len(chunk) <= MIB and chunk == zeros[: len(chunk)]:
                file.seek(len(chunk), os.SEEK_CUR)
            else:
                file.write(chunk)


def _check_all(archive: Path, features: frozenset[Feature], readers: Sequence[Reader]) -> None:
    assert verify(archive).problems == ()
    able = [reader for reader in readers if reader.reads(features)]
    with ThreadPoolExecutor(2) as pool:
        for result in [pool.submit(check, reader, archive, timeout_seconds=500) for reader in able]:
            result.result()


@pytest.mark.parametrize("giant", GIANTS, ids=lambda giant: giant.name)
@pytest.mark.timeout(900)
def test_all_readers_take_archives_over_4_gib(giant: Giant, tmp_path: Path) -> None:
    archive = tmp_path / "giant.zip"
    _write_sparse(archive, giant.make())
    _check_all(archive, giant.features, READERS)


@pytest.mark.parametrize("giant", BOUNDARIES, ids=lambda giant: giant.name)
def test_fast_readers_take_each_boundary(giant: Giant, tmp_path: Path) -> None:
    """Those that read 4 GiB in seconds: Go, both of the JDK, libarchive from a file and from a pipe."""
    archive = tmp_path / "giant.zip"
    _write_sparse(archive, giant.make())
    fast = [r for r in READERS if r.name in ("go", "java-zipfile", "java-zipinputstream", "bsdtar", "bsdtar-pipe")]
    _check_all(archive, giant.features, fast)


@pytest.mark.soak
@pytest.mark.parametrize("giant", BOUNDARIES, ids=lambda giant: giant.name)
@pytest.mark.timeout(3_600)
def test_all_readers_take_each_boundary(giant: Giant, tmp_path: Path) -> None:
    archive = tmp_path / "giant.zip"
    _write_sparse(archive, giant.make())
    _check_all(archive, giant.features, READERS)


@pytest.mark.parametrize("count", [65_534, 65_535, 65_536])
@pytest.mark.timeout(600)
def test_all_readers_take_counts_around_65535(count: int, tmp_path: Path) -> None:
    archive = bigzip.Archive()
    for number in range(count):
        archive.add(b"%d" % number, f"{number // 1_000}/{number}.txt")
    path = tmp_path / "many.zip"
    archive.write(path)
    _check_all(path, frozenset({Feature.ZIP64_COUNT} if count >= 65_535 else ()), READERS)
