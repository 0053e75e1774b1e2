"""What every source must do, as tests: subclass, say how a source is made, and run them with pytest.

    class TestMySource(ChangingSourceTests):
        @pytest.fixture(autouse=True)
        def _place(self, tmp_path):
            self.path = tmp_path / "file"

        def make(self, data):
            self.path.write_bytes(data)
            return MySource(self.path)

        def change(self, data):
            self.path.write_bytes(data)

        def remove(self):
            self.path.unlink()

`SourceTests` is for sources that never change, `ChangingSourceTests` for all that are somewhere else. This module needs
pytest, so it is not imported with the package.
"""

import random
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest

from bigzip.archive import Archive
from bigzip.errors import SourceChanged, SourceError, SourceMissing
from bigzip.sources.source import Source
from bigzip.verification import verify

_SMALL: Final = bytes(range(40))
_LARGE: Final = random.Random(2026).randbytes(3_000_001)  # noqa: S311 - no secret
_CUTS: Final = 60


class SourceTests(ABC):
    """A source that can be read again and again, and tells its size."""

    @abstractmethod
    def make(self, data: bytes) -> Source:
        """A source of this data; called once or more in a test, each time for what replaces the last one's place."""

    def test_it_is_repeatable(self) -> None:
        assert self.make(_SMALL).repeatable

    @pytest.mark.parametrize("data", [b"", b"x", _SMALL, _LARGE], ids=len)
    def test_facts_tell_the_size(self, data: bytes) -> None:
        source = self.make(data)
        facts = source.facts()
        assert facts.size == len(data)
        assert source.facts() == facts, "an unchanged source tells the same again"

    def test_a_version_is_ascii_without_nul(self) -> None:
        version = self.make(_SMALL).facts().version
        assert version is None or (version.isascii() and version and "\0" not in version)

    @pytest.mark.parametrize("data", [b"", b"x", _LARGE], ids=len)
    def test_it_is_read_whole(self, data: bytes) -> None:
        source = self.make(data)
        version = source.facts().version
        assert _read(source, 0, len(data), version) == data
        assert _read(source, 0, None, version) == data
        assert _read(source, 0, None, None) == data, "who knows no version asks for none"

    def test_every_range_of_a_small_one_is_the_slice(self) -> None:
        source = self.make(_SMALL)
        version = source.facts().version
        for start in range(len(_SMALL)):
            assert _read(source, start, None, version) == _SMALL[start:]
            for stop in range(start, len(_SMALL) + 1):
                assert _read(source, start, stop, version) == _SMALL[start:stop], (start, stop)

    def test_ranges_of_a_large_one_are_slices(self) -> None:
        source = self.make(_LARGE)
        version = source.facts().version
        cuts = random.Random(1)  # noqa: S311
        for _ in range(_CUTS):
            start, stop = sorted(cuts.sample(range(len(_LARGE) + 1), 2))
            assert _read(source, start, stop, version) == _LARGE[start:stop], (start, stop)

    def test_it_can_be_read_by_several_at_once(self) -> None:
        source = self.make(_LARGE)
        version = source.facts().version
        ranges = [(number * 100_000, number * 100_000 + 500_000) for number in range(20)]
        with ThreadPoolExecutor(8) as threads:
            found = threads.map(lambda part: _read(source, part[0], part[1], version), ranges)
            assert all(data == _LARGE[start:stop] for data, (start, stop) in zip(found, ranges, strict=True))

    def test_a_reader_may_be_closed_before_its_end_and_more_than_once(self) -> None:
        source = self.make(_LARGE)
        for _ in range(20):
            reader = source.read(0, len(_LARGE), version=None)
            next(iter(reader))
            for _ in range(2):
                _close(reader)
        assert _read(source, 0, len(_LARGE), None) == _LARGE

    def test_an_archive_of_it_is_sound_and_any_range_is_the_slice(
        self, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        archive = Archive()
        archive.add(self.make(_LARGE), "large.bin")
        plan = archive.plan()
        whole = b"".join(plan.iter_bytes())
        assert len(whole) == plan.content_length
        path = tmp_path_factory.mktemp("source") / "archive.zip"
        path.write_bytes(whole)
        assert verify(path).sound
        middle = len(whole) // 2
        assert b"".join(plan.iter_bytes(middle)) == whole[middle:]


class ChangingSourceTests(SourceTests):
    """A source whose data is somewhere else, where it may change or go away; it tells a version."""

    @abstractmethod
    def change(self, data: bytes) -> None:
        """Replace the data of the source that was made last, as others would: at the same place."""

    @abstractmethod
    def remove(self) -> None:
        """Take away what the source that was made last reads."""

    def test_it_tells_a_version(self) -> None:
        assert self.make(_SMALL).facts().version

    @pytest.mark.parametrize(
        "data", [_SMALL[::-1], _SMALL + b"more", _SMALL[:-1], b""], ids=["equal size", "longer", "shorter", "empty"]
    )
    @pytest.mark.parametrize("part", [(0, None), (0, len(_SMALL)), (5, 10), (len(_SMALL) - 1, len(_SMALL)), (0, 0)])
    def test_what_was_changed_is_refused(self, data: bytes, part: tuple[int, int | None]) -> None:
        source = self.make(_SMALL)
        version = source.facts().version
        self.change(data)
        with pytest.raises(SourceChanged):
            _read(source, *part, version)
        assert source.facts().version != version

    def test_what_is_changed_while_it_is_read_never_ends_well_with_other_bytes(self) -> None:
        source = self.make(_LARGE)
        reader = source.read(0, len(_LARGE), version=source.facts().version)
        found = next(iter(reader))
        self.change(_LARGE[::-1])
        try:
            found += b"".join(reader)
        except SourceError:
            return
        finally:
            _close(reader)
        assert found == _LARGE, "whoever reads to the end has what was promised"

    def test_what_is_gone_is_missing(self) -> None:
        source = self.make(_SMALL)
        version = source.facts().version
        self.remove()
        with pytest.raises(SourceMissing):
            source.facts()
        with pytest.raises(SourceMissing):
            _read(source, 0, len(_SMALL), version)

    def test_an_archive_of_what_has_changed_is_broken_off_and_names_the_entry(self) -> None:
        archive = Archive()
        archive.add(self.make(_LARGE), "large.bin")
        plan = archive.plan()
        self.change(_LARGE[:1000])
        with pytest.raises(SourceError, match=r"^large\.bin: "):
            b"".join(plan.iter_bytes())


def _read(source: Source, start: int, stop: int | None, version: str | None) -> bytes:
    return b"".join(source.read(start, stop, version=version))


def _close(reader: Iterator[bytes]) -> None:
    if close := getattr(reader, "close", None):
        close()
