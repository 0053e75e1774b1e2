"""What every part store must do, as tests: a new one subclasses `PartStoreTests` and says how to make it.

class TestMyStore(PartStoreTests):
    @pytest.fixture
    def store(self) -> PartStore:
        return MyStore(...)
"""

from concurrent.futures import ThreadPoolExecutor
from zlib import crc32

import pytest

from bigzip.errors import InputError, OutputError, OutputExists, PartsLost, UploadGone
from bigzip.sinks.parts import PartStore, StoredPart, Upload

_JOB = "job-1"


def put(store: PartStore, upload: Upload, number: int, data: bytes, offset: int | None = None) -> StoredPart:
    """Put a part, in two chunks."""
    half = len(data) // 2
    return store.put(upload, number, [data[:half], data[half:]], crc32=crc32(data), offset=offset)


def part_of(store: PartStore, number: int) -> bytes:
    """The data of a part that is large enough."""
    return bytes([number % 256]) * max(store.capabilities.min_part, 1_000)


class PartStoreTests:
    """Tests of a part store, which the fixture `store` makes, empty."""

    def test_parts_make_an_object_in_the_order_of_their_numbers(self, store: PartStore) -> None:
        upload = store.begin("a/b.zip", job=_JOB)
        data = {number: part_of(store, number) for number in (2, 5, 9)} | {12: b"end"}
        with ThreadPoolExecutor(4) as threads:
            parts = list(threads.map(lambda number: put(store, upload, number, data[number]), [9, 12, 2, 5]))
        assert {(number, size) for number, _, size in store.parts(upload)} == {
            (number, len(one)) for number, one in data.items()
        }
        whole = b"".join(data[number] for number in sorted(data))
        parts.sort(key=lambda part: part.number)
        assert store.parts(upload) == {(part.number, part.etag, part.size) for part in parts}
        found = store.complete(upload, parts, crc32=crc32(whole), overwrite=False)
        assert (found.size, found.job) == (len(whole), _JOB)
        assert found.crc32 in (None, crc32(whole))
        assert store.find("a/b.zip") == found
        assert store.read("a/b.zip", 0, len(whole), etag=found.etag) == whole
        assert store.read("a/b.zip", 7, 19, etag=found.etag) == whole[7:19]
        assert store.abandoned("a/b.zip") == []

    def test_completing_is_repeatable(self, store: PartStore) -> None:
        upload = store.begin("x.zip", job=_JOB)
        part = put(store, upload, 1, b"all of it")
        first = store.complete(upload, [part], crc32=crc32(b"all of it"), overwrite=False)
        assert store.complete(upload, [part], crc32=crc32(b"all of it"), overwrite=False) == first

    def test_part_is_replaced(self, store: PartStore) -> None:
        upload = store.begin("x.zip", job=_JOB)
        put(store, upload, 1, b"first of all, and longer")
        part = put(store, upload, 1, b"second")
        assert (part.number, part.etag, part.size) in store.parts(upload)
        found = store.complete(upload, [part], crc32=crc32(b"second"), overwrite=False)
        assert store.read("x.zip", 0, 6, etag=found.etag) == b"second"
        assert found.size == 6

    def test_parts_that_are_not_there_are_named(self, store: PartStore) -> None:
        upload = store.begin("x.zip", job=_JOB)
        part = put(store, upload, 1, part_of(store, 1))
        missing = StoredPart(number=2, size=3, crc32=crc32(b"end"), etag='"0123456789abcdef0123456789abcdef"')
        with pytest.raises(PartsLost) as caught:
            store.complete(upload, [part, missing], crc32=0, overwrite=False)
        assert caught.value.numbers == (2,)
        store.abort(upload)

    def test_nothing_is_replaced_that_may_not_be(self, store: PartStore) -> None:
        first, second = store.begin("x.zip", job=_JOB), store.begin("x.zip", job="job-2")
        parts = [put(store, upload, 1, data) for upload, data in ((first, b"first"), (second, b"second"))]
        kept = store.complete(first, [parts[0]], crc32=crc32(b"first"), overwrite=False)
        with pytest.raises(OutputExists):
            store.complete(second, [parts[1]], crc32=crc32(b"second"), overwrite=False)
        assert store.find("x.zip") == kept
        if not store.capabilities.apart:
            with pytest.raises(PartsLost) as caught:
                store.complete(second, [parts[1]], crc32=crc32(b"second"), overwrite=True)
            assert caught.value.numbers == (1,)
            put(store, second, 1, b"second")
        replaced = store.complete(second, [parts[1]], crc32=crc32(b"second"), overwrite=True)
        assert replaced.job == "job-2"

    def test_aborting_leaves_nothing(self, store: PartStore) -> None:
        upload = store.begin("x.zip", job=_JOB)
        put(store, upload, 1, b"something")
        assert store.abandoned("x.zip") == [upload]
        assert store.abandoned("x") == []
        store.abort(upload)
        store.abort(upload)
        assert store.abandoned("x.zip") == []
        assert store.find("x.zip") is None
        with pytest.raises(UploadGone):
            store.parts(upload)
        with pytest.raises(UploadGone):
            put(store, upload, 2, b"too late")

    def test_only_what_a_job_made_is_deleted(self, store: PartStore) -> None:
        upload = store.begin("x.zip", job=_JOB)
        found = store.complete(upload, [put(store, upload, 1, b"x")], crc32=crc32(b"x"), overwrite=False)
        store.delete("x.zip", job="another")
        assert store.find("x.zip") == found
        store.delete("x.zip", job=_JOB)
        store.delete("x.zip", job=_JOB)
        assert store.find("x.zip") is None

    def test_object_that_is_another_is_not_read(self, store: PartStore) -> None:
        upload = store.begin("x.zip", job=_JOB)
        store.complete(upload, [put(store, upload, 1, b"x")], crc32=crc32(b"x"), overwrite=False)
        with pytest.raises(OutputError):
            store.read("x.zip", 0, 1, etag='"0123456789abcdef0123456789abcdef"')

    @pytest.mark.parametrize("key", ["", "/x", "../x", "a/../x", "a//x", "x\0", "a/.bigzip-x"])
    def test_keys_that_lead_elsewhere_are_refused(self, store: PartStore, key: str) -> None:
        with pytest.raises(InputError):
            store.begin(key, job=_JOB)

    def test_wrong_checksum_is_refused(self, store: PartStore) -> None:
        if not store.capabilities.full_object_crc32:
            pytest.skip("the store compares none")
        upload = store.begin("x.zip", job=_JOB)
        with pytest.raises(OutputError):
            store.put(upload, 1, [b"damaged"], crc32=1, offset=None)
        part = put(store, upload, 1, b"x")
        with pytest.raises(OutputError):
            store.complete(upload, [part], crc32=1, overwrite=False)
        store.abort(upload)

    def test_small_part_in_the_middle_is_refused(self, store: PartStore) -> None:
        if store.capabilities.min_part == 1:
            pytest.skip("the store takes parts of any size")
        upload = store.begin("x.zip", job=_JOB)
        parts = [put(store, upload, number, b"small") for number in (1, 2)]
        with pytest.raises(OutputError):
            store.complete(upload, parts, crc32=crc32(b"smallsmall"), overwrite=False)
        store.abort(upload)
