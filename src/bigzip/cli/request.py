"""What `create` and `plan` are asked to archive: paths and manifests become an `Archive`."""

import glob
import io
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from bigzip.archive import Archive
from bigzip.cli.output import Output
from bigzip.cli.output_set import OutputSet
from bigzip.errors import EntryProblem, InputError, ManifestError, PlanRefused
from bigzip.manifest import Manifest, add_manifest, read_manifest
from bigzip.sinks.file import PARTIAL_GLOB
from bigzip.sources.connections import Connections
from bigzip.sources.url import is_url, parse_asked

STANDARD_INPUT: Final = "-"
_ENCODING: Final = "utf-8-sig"
"""Some editors begin a file with a byte order mark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The arguments that say which files; `exclude` has globs."""

    paths: tuple[str, ...]
    directory: str
    manifest: str | None
    exclude: tuple[str, ...]
    output: Output | OutputSet | None = None
    """What is written, and is left out of what it is made from."""

    def archive(self, **options: Any) -> Archive:
        """The archive that is asked for; `options` are arguments of `Archive`.

        Raises:
            InputError: it cannot be.
        """
        self._check()
        options["connections"] = Connections.unguarded()
        options["exclude"] = (*map(_anchored, self.exclude), *self._output_globs())
        archive = Archive(**options) if self.manifest is None else self._with_manifest(self.manifest, options)
        for path in self._paths_but_output():
            if is_url(path):
                archive.add(path)
            else:
                archive.add(os.path.join(self.directory, path), _entry_name(path))
        return archive

    def _check(self) -> None:
        if not self.paths and self.manifest is None:
            raise InputError("there is nothing to archive: give paths, or --manifest")
        if self.directory and not os.path.isdir(self.directory):
            raise InputError(f"-C {self.directory}: is not a directory")
        if "" in self.paths:
            raise InputError("a path is empty; give the path of a file or directory")
        reason, remedy = "no name in an archive has '..' in it", "give -C the directory above, and the path from there"
        problems = [
            EntryProblem(entry=path, reason=reason, remedy=remedy)
            for path in self.paths
            if ".." in path.split("/") and not is_url(path)
        ]
        if problems:
            raise PlanRefused(problems)

    def _with_manifest(self, path: str, options: dict[str, Any]) -> Archive:
        def filled(manifest: Manifest) -> Archive:
            archive = Archive(**(options | manifest.options))
            add_manifest(archive, manifest, directory=self.directory)
            return archive

        try:
            if path != STANDARD_INPUT:
                with open(path, encoding=_ENCODING) as lines:
                    return filled(read_manifest(lines))
            if sys.stdin is None:
                raise InputError("--manifest -: standard input is closed")
            return filled(read_manifest(io.TextIOWrapper(sys.stdin.buffer, encoding=_ENCODING)))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "this is not UTF-8"
            raise ManifestError(f"--manifest {path}", str(reason)) from error

    def _paths_but_output(self) -> list[str]:
        """The paths that were given, without the output where that is one of them, as it is in `create out.zip *`."""
        if self.output is None:
            return list(self.paths)
        places = self.output.places()
        paths = [path for path in self.paths if self._real(path) not in places or not self.output.is_there()]
        if len(paths) < len(self.paths):
            self.output.check_replaceable()
            if not paths and self.manifest is None:
                raise InputError(f"{self.output}: there is nothing to archive but the output")
        return paths

    def _output_globs(self) -> Iterator[str]:
        """Globs of the output, and of what killed commands left beside it, where they lie in what is archived."""
        if self.output is None:
            return
        places = self.output.places()
        for path in self.paths:
            tree = self._real(path).rstrip("/") + "/"
            for place in places:
                if place.startswith(tree):
                    self.output.check_replaceable()
                    yield _glob(path, place.removeprefix(tree))
            beside = os.path.join(os.path.dirname(places[0]), "")
            if not beside.startswith(tree):
                continue
            directory = _glob(path, beside.removeprefix(tree)).rstrip("/")
            if isinstance(self.output, OutputSet):
                yield f"{directory}/{self.output.numbered_glob}"
            if not is_url(path):
                yield f"{directory}/{PARTIAL_GLOB}"

    def _real(self, path: str) -> str:
        if is_url(path):
            return path
        try:
            return os.path.realpath(os.path.join(self.directory, path))
        except OSError:  # a link that may not be read: no output lies behind it
            return path


def _entry_name(path: str) -> str:
    """The entry name for a path that was given: the path, without what leads to the file system's root."""
    return "/".join(component for component in path.split("/") if component not in ("", "."))


def _anchored(pattern: str) -> str:
    """The glob, where it begins as a path here does, tied to the archive's top."""
    return pattern.removeprefix(".") if pattern.startswith("./") else pattern


def _glob(path: str, below: str) -> str:
    """The glob of the entry for `below` in the tree that was given as `path`."""
    name = parse_asked(path).name if is_url(path) else _entry_name(path)
    return "/" + glob.escape(os.path.join(name, below).rstrip("/"))
