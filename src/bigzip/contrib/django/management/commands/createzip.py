"""`manage.py createzip OUT NAME ...`: an archive of files of a storage, or of a model's field."""

from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, FieldError, SuspiciousOperation, ValidationError
from django.core.files.storage import InvalidStorageError, Storage, storages
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import FileField

from bigzip.archive import Archive
from bigzip.contrib.django.files import connections_to, stored
from bigzip.errors import BigZipError


class Command(BaseCommand):
    """Writes an archive in one pass, in memory that does not grow with it."""

    help = "Make a ZIP of files of a storage, by name, or of all files that a model's field refers to."

    def add_arguments(self, parser: CommandParser) -> None:
        """The command's arguments."""
        parser.add_argument("out", metavar="OUT", help="a path, or s3://bucket/key in the bucket of the storage")
        parser.add_argument("names", metavar="NAME", nargs="*", help="a file of the storage; on disk, a directory too")
        parser.add_argument("--storage", metavar="ALIAS", default="default", help="of the NAMEs, as in STORAGES")
        parser.add_argument("--field", metavar="APP.MODEL.FIELD", help="instead of NAMEs: all files of a FileField")
        parser.add_argument("--filter", metavar="LOOKUP=VALUE", action="append", default=[], help="of which rows")
        parser.add_argument("--method", choices=("auto", "store", "deflate"), default="auto")
        parser.add_argument("--on-missing", choices=("fail", "skip"), default="fail", help="what becomes of OUT then")
        parser.add_argument("--force", action="store_true", help="replace OUT if it is there")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the archive.

        Raises:
            CommandError: it cannot be made.
        """
        if bool(options["names"]) == bool(options["field"]):
            raise CommandError("say what to archive: either NAMEs, or --field APP.MODEL.FIELD")
        if options["filter"] and not options["field"]:
            raise CommandError("--filter says which rows of --field, and NAMEs have none")
        try:
            if options["field"]:
                storage, names = _files_of(options["field"], options["filter"])
            else:
                storage, names = storages[options["storage"]], options["names"]
            connections = connections_to(storage)
            archive = Archive(method=options["method"], on_missing=options["on_missing"], connections=connections)
            for name in names:
                archive.add(stored(storage, name, connections), name)
            size = archive.write(options["out"], overwrite=options["force"])
        except (
            BigZipError,
            FieldError,
            InvalidStorageError,
            SuspiciousOperation,
            ValidationError,
            ValueError,
        ) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{options['out']}: {size:,} bytes")


def _files_of(path: str, conditions: list[str]) -> tuple[Storage, Iterable[str]]:
    """The storage of a field such as `shop.Photo.image`, and the names of its files, read when they are asked for."""
    model_path, _, name = path.rpartition(".")
    try:
        model = apps.get_model(model_path)
        field = model._meta.get_field(name)  # noqa: SLF001 - public, as Django's documentation has it
    except (LookupError, ValueError, FieldDoesNotExist) as error:
        raise CommandError(f"{path} is no field: {error}") from error
    if not isinstance(field, FileField):
        raise CommandError(f"{path} is no FileField")
    lookups = dict(_lookup(condition) for condition in conditions)
    manager = model._default_manager  # noqa: SLF001 - as above
    rows = manager.filter(**lookups).order_by("pk").values_list(name, flat=True)
    return field.storage, (row for row in rows.iterator() if row)


def _lookup(condition: str) -> tuple[str, str]:
    lookup, equals, value = condition.partition("=")
    if not equals:
        raise CommandError(f"--filter {condition} has no value: write LOOKUP=VALUE, such as album=3")
    return lookup, value
