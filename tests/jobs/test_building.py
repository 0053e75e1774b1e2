"""Archives that jobs build are to the byte those that are written at once, whoever builds them."""

from pathlib import Path

import pytest

import bigzip
from bigzip.archive import Archive
from bigzip.jobs.states import JobState

from .sites import Site, digest_of
from .trees import MIB, archive_of, mixed, noise, text


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mixed(tmp_path_factory.mktemp("tree"))


@pytest.mark.parametrize("slots", [1, 3])
def test_archive_is_that_which_is_written_at_once(site: Site, tree: Path, slots: int) -> None:
    job = site.build(site.create(archive_of(tree)), slots)
    assert site.digest(job) == digest_of(archive_of(tree))
    assert site.final_events(job) == [JobState.DONE]
    assert job.data_bytes == job.data_bytes_done
    assert job.problem is None


@pytest.mark.parametrize("data", [{}, {"empty": b""}, {"one.txt": b"x"}, {"noise": noise(6 * MIB)}])
def test_small_archives(site: Site, data: dict[str, bytes]) -> None:
    archive = Archive()
    for name, content in data.items():
        archive.add(content, name)
    job = site.build(site.create(archive))
    assert site.digest(job) == digest_of(archive)


def test_archive_beyond_4_gib_has_the_right_versions(directory_site: Site, tmp_path: Path) -> None:
    """What is compressed before 4 GiB comes out shorter than anyone can know beforehand."""
    files = tmp_path / "files"
    files.mkdir()
    for number in range(3):
        with (files / f"{number}.bin").open("wb") as file:
            file.truncate((1 << 30) + 400 * MIB)
    (files / "a.log").write_bytes(text(40 * MIB))
    (files / "z.log").write_bytes(text(40 * MIB))
    archive = Archive(method="store")
    archive.add(files / "a.log", "first.log", method="deflate")
    for number in range(3):
        archive.add(files / f"{number}.bin")
    archive.add(files / "z.log", method="deflate")
    job = directory_site.build(directory_site.create(archive))
    path = directory_site.service.places.open(job.place).path(job.key)
    assert path is not None
    assert bigzip.verify(path).sound
