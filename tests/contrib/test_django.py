"""Django's files as sources, in this process; the responses behind servers are in test_servers."""

import asyncio
import io
import os
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import bigzip
from bigzip.sources.source import Source
from bigzip.testing.sources import ChangingSourceTests
from tests.sources.seaweed import Seaweed, seaweed

TEXT = b"sun\n" * 1_000


@pytest.fixture(autouse=True)
def _empty(django_site: Path) -> Iterator[None]:
    from django.db import connections

    from .gallery.models import Photo

    Photo.objects.all().delete()
    yield
    connections.close_all()


def photo(name: str, data: bytes, *, album: int = 1, field: str = "image") -> Any:
    from django.core.files.base import ContentFile

    from .gallery.models import Photo

    made = Photo(album=album)
    getattr(made, field).save(name, ContentFile(data))
    return made


def read(archive: bigzip.Archive) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(b"".join(archive.plan().iter_bytes()))) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def test_files_of_a_queryset() -> None:
    from bigzip.contrib.django import source_of

    from .gallery.models import Photo

    names = [photo(f"{number}.txt", b"%d" % number).image.name for number in range(30)]
    photo("other.txt", b"other", album=2)
    archive = bigzip.Archive()
    for one in Photo.objects.filter(album=1).order_by("pk").iterator():
        archive.add(source_of(one.image), one.image.name)
    assert read(archive) == {name: b"%d" % number for number, name in enumerate(names)}


def test_a_file_on_disk_is_one_like_any_other(django_site: Path) -> None:
    from bigzip.contrib.django import source_of

    made = photo("a.txt", TEXT)
    assert source_of(made.image) == str(django_site / made.image.name)
    assert made.image._file is None or made.image.closed


def test_a_file_in_another_storage() -> None:
    from bigzip.contrib.django import StorageSource, source_of

    made = photo("a.txt", TEXT, field="sketch")
    source = source_of(made.sketch)
    assert isinstance(source, StorageSource)
    archive = bigzip.Archive(method="store")
    archive.add(source, "a.txt")
    plan = archive.plan(survey="sizes")
    whole = b"".join(plan.iter_bytes())
    assert len(whole) == plan.content_length
    assert b"".join(plan.iter_bytes(100)) == whole[100:]
    assert read(archive) == {"a.txt": TEXT}


def test_a_field_without_a_file_is_named() -> None:
    from bigzip.contrib.django import source_of

    from .gallery.models import Photo

    with pytest.raises(bigzip.InputError, match="image"):
        source_of(Photo(album=1).image)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd"])
def test_a_name_that_leads_out_of_the_storage_is_refused(name: str, django_site: Path) -> None:
    from django.core.exceptions import SuspiciousFileOperation
    from django.core.files.storage import default_storage

    from bigzip.contrib.django import stored

    with pytest.raises(SuspiciousFileOperation):
        stored(default_storage, name)


def test_a_storage_that_does_not_tell_the_time_is_read_once() -> None:
    from django.core.files.base import ContentFile, File
    from django.core.files.storage import Storage

    from bigzip.contrib.django import stored

    class Plain(Storage):
        opened = 0

        def _open(self, name: str, mode: str = "rb") -> "File[Any]":
            self.opened += 1
            return ContentFile(TEXT, name)

    storage = Plain()
    archive = bigzip.Archive()
    archive.add(stored(storage, "a.txt"), "a.txt")
    assert storage.opened == 0
    assert read(archive) == {"a.txt": TEXT}
    assert storage.opened == 1


def test_what_a_storage_cannot_find_or_read_is_named() -> None:
    from django.core.files.storage import InMemoryStorage

    from bigzip.contrib.django import StorageSource

    class Broken(InMemoryStorage):
        def size(self, name: str) -> int:
            raise ZeroDivisionError("no connection")

    with pytest.raises(bigzip.SourceMissing, match="no such file"):
        StorageSource(InMemoryStorage(), "a.txt").facts()
    with pytest.raises(bigzip.SourceReadError, match="no connection"):
        StorageSource(Broken(), "a.txt").facts()


@pytest.mark.parametrize("size", [10, 5 << 20])
def test_uploaded_files(size: int) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile

    from bigzip.contrib.django import source_of

    data = os.urandom(size)
    in_memory = SimpleUploadedFile("a.bin", data)
    in_memory.read(3)
    archive = bigzip.Archive()
    archive.add(source_of(in_memory), "memory.bin")
    with TemporaryUploadedFile("b.bin", "application/octet-stream", size, None) as on_disk:
        on_disk.write(data)
        on_disk.flush()
        archive.add(source_of(on_disk), "disk.bin")
        assert archive.plan().content_length
        assert read(archive) == {"memory.bin": data, "disk.bin": data}


def test_any_other_file_is_read_once(tmp_path: Path) -> None:
    from django.core.files import File

    from bigzip.contrib.django import source_of

    (tmp_path / "a.txt").write_bytes(TEXT)
    archive = bigzip.Archive()
    with File((tmp_path / "a.txt").open("rb")) as file:
        archive.add(source_of(file), "a.txt")
        assert read(archive) == {"a.txt": TEXT}


def test_rows_are_read_when_it_is_their_turn() -> None:
    """As lines of a table, by WSGI and by ASGI; in the second case with Django's own way to the database."""
    from django.test import AsyncRequestFactory, RequestFactory

    from bigzip.contrib.django import ZipResponse

    from .gallery.models import Photo

    Photo.objects.bulk_create(Photo(album=number) for number in range(1_000))
    lines = [f"{number}\n".encode() for number in range(1_000)]

    def rows() -> Iterator[bytes]:
        for one in Photo.objects.order_by("album").iterator(chunk_size=100):
            yield f"{one.album}\n".encode()

    async def rows_by_asgi() -> AsyncIterator[bytes]:
        async for one in Photo.objects.order_by("album").aiterator(chunk_size=100):
            yield f"{one.album}\n".encode()

    archive = bigzip.Archive(method="store")
    archive.add(rows(), "albums.csv")
    response: Any = ZipResponse(RequestFactory().get("/"), archive)
    assert not response.has_header("content-length")
    assert entry(b"".join(response.streaming_content)) == b"".join(lines)

    async def by_asgi() -> bytes:
        archive = bigzip.Archive(method="store")
        archive.add(rows_by_asgi(), "albums.csv")
        response: Any = ZipResponse(AsyncRequestFactory().get("/"), await archive.aplan())
        assert response.is_async
        return b"".join([chunk async for chunk in response])

    assert entry(asyncio.run(by_asgi())) == b"".join(lines)


def entry(archive: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        (name,) = opened.namelist()
        return opened.read(name)


def test_a_response_is_what_the_request_asks_for(django_site: Path) -> None:
    """Of the head alone, which needs no server."""
    from django.test import RequestFactory

    from bigzip.contrib.django import ZipResponse

    archive = bigzip.Archive("photos.zip")
    archive.add(TEXT, "a.txt")
    first = ZipResponse(RequestFactory().get("/"), archive)
    assert first.headers["content-disposition"] == 'attachment; filename="photos.zip"'
    again = ZipResponse(RequestFactory().get("/", headers={"If-None-Match": first.headers["etag"]}), archive)
    assert again.status_code == 304
    assert "content-type" not in again.headers
    part: Any = ZipResponse(RequestFactory().get("/", headers={"Range": "bytes=-3"}), archive)
    assert (part.status_code, b"".join(part.streaming_content)) == (206, b"".join(archive.plan().iter_bytes())[-3:])


class TestStorageSource(ChangingSourceTests):
    @pytest.fixture(autouse=True)
    def _place(self, django_site: Path) -> None:
        from django.core.files.storage import InMemoryStorage

        self.storage = InMemoryStorage()

    def make(self, data: bytes) -> Source:
        from bigzip.contrib.django import StorageSource

        self.change(data)
        return StorageSource(self.storage, "file")

    def change(self, data: bytes) -> None:
        from django.core.files.base import ContentFile

        self.remove()
        self.storage.save("file", ContentFile(data))

    def remove(self) -> None:
        self.storage.delete("file")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    with seaweed(tmp_path_factory.mktemp("seaweed")) as running:
        running.client().create_bucket(Bucket="media")
        yield running


def test_files_in_s3(server: Seaweed, django_site: Path) -> None:
    from django.core.files.base import ContentFile
    from storages.backends.s3 import S3Storage

    from bigzip.contrib.django import StorageSource, connections_to, stored

    config = server.config
    options = {
        "access_key": config["access_key_id"],
        "secret_key": config["secret_access_key"],
        "endpoint_url": config["endpoint"],
        "region_name": config["region"],
    }
    storage = S3Storage(bucket_name="media", location="shop", **options)
    name = storage.save("photos/a b?.txt", ContentFile(TEXT))
    connections = connections_to(storage)
    archive = bigzip.Archive(method="store", connections=connections)
    source = stored(storage, name, connections)
    assert source == f"s3://media/shop/{name}"
    archive.add(source, "by-url.txt")
    by_storage = stored(storage, name)
    assert isinstance(by_storage, StorageSource)
    archive.add(by_storage, "by-storage.txt")
    compressed = S3Storage(
        bucket_name="media", location="gzip", gzip=True, gzip_content_types=("text/plain",), **options
    )
    # It is read in other bytes than lie in the bucket, and in another number of them.
    assert not isinstance(stored(compressed, "b.txt", connections), str | StorageSource)
    assert read(archive) == dict.fromkeys(("by-url.txt", "by-storage.txt"), TEXT)
    with pytest.raises(ValueError, match="outside"):
        stored(storage, "../other/secret.txt", connections)
    connections.close()
    storage.connection.meta.client.close()


def command(*arguments: str) -> str:
    from django.core.management import call_command

    output = io.StringIO()
    call_command("createzip", *arguments, stdout=output)
    return output.getvalue()


def test_an_archive_of_a_field(tmp_path: Path) -> None:
    from .gallery.models import Photo

    names = [photo(f"{number}.txt", b"%d" % number).image.name for number in range(3)]
    photo("other.txt", b"other", album=2)
    Photo(album=1).save()  # without a file
    out = tmp_path / "photos.zip"
    said = command(str(out), "--field", "gallery.Photo.image", "--filter", "album=1")
    assert said == f"{out}: {out.stat().st_size:,} bytes\n"
    with zipfile.ZipFile(out) as opened:
        assert {name: opened.read(name) for name in opened.namelist()} == {
            name: b"%d" % number for number, name in enumerate(names)
        }
    assert bigzip.verify(out).sound


def test_an_archive_of_names(tmp_path: Path, django_site: Path) -> None:
    (django_site / "reports").mkdir()
    (django_site / "reports/a.txt").write_bytes(TEXT)
    out = tmp_path / "reports.zip"
    command(str(out), "reports", "--method", "deflate")
    with zipfile.ZipFile(out) as opened:
        assert opened.read("reports/a.txt") == TEXT
    with pytest.raises(Exception, match="there already") as caught:
        command(str(out), "reports")
    assert type(caught.value).__name__ == "CommandError"
    command(str(out), "reports", "--force")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "either NAMEs, or --field"),
        (["a.txt", "--field", "gallery.Photo.image"], "either NAMEs, or --field"),
        (["a.txt", "--filter", "album=1"], "--field"),
        (["missing.txt"], "missing.txt"),
        (["../a.txt"], "outside|traversal|located"),
        (["a.txt", "--storage", "nowhere"], "nowhere"),
        (["a.txt", "--storage", "memory"], "no such file"),
        (["--field", "gallery.Photo.album"], "no FileField"),
        (["--field", "gallery.Photo.nothing"], "is no field"),
        (["--field", "gallery.Nothing.image"], "is no field"),
        (["--field", "image"], "is no field"),
        (["--field", "gallery.Photo.image", "--filter", "album"], "LOOKUP=VALUE"),
        (["--field", "gallery.Photo.image", "--filter", "nothing=1"], "nothing"),
        (["--field", "gallery.Photo.image", "--filter", "album=x"], "number"),
    ],
)
def test_what_cannot_be_archived_is_said_in_a_line(arguments: list[str], message: str, tmp_path: Path) -> None:
    from django.core.management import CommandError

    with pytest.raises(CommandError, match=message):
        command(str(tmp_path / "a.zip"), *arguments)
    assert not list(tmp_path.iterdir())
