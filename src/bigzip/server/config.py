"""What a service is configured with: a TOML file and the command line."""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from bigzip.errors import InputError
from bigzip.sources.connections import Connections
from bigzip.sources.roots import RootArgument
from bigzip.sources.source import READ_SIZE
from bigzip.sources.url import STORE_SCHEMES, is_in_store

_NAMED_ROOT: Final = re.compile(r"(?P<name>[\w.-]+)=(?P<place>.+)", re.DOTALL)
_TABLES: Final = ("roots", "stores")


def read_config(path: str) -> dict[str, Any]:
    """The tables of a configuration file: `roots` and `stores`.

    Raises:
        InputError: it cannot be read, or has something that no configuration has.
    """
    try:
        with open(path, "rb") as file:
            config = tomllib.load(file)
    except OSError as error:
        raise InputError(f"--config {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"--config {path}: this is not TOML: {error}") from error
    for name, table in config.items():
        if name not in _TABLES:
            raise InputError(f"--config {path}: [{name}] is not known; known are {', '.join(_TABLES)}")
        if not isinstance(table, dict):
            raise InputError(f"--config {path}: {name} must be a table")
    for name, place in config.get("roots", {}).items():
        if not isinstance(place, str):
            raise InputError(f"--config {path}: the root {name} must be text: a directory, or s3://bucket/prefix")
    for store, settings in config.get("stores", {}).items():
        if not isinstance(settings, dict):
            raise InputError(f"--config {path}: the store {store} must be a table of its settings")
    return config


def roots_of(options: Sequence[str], configured: Mapping[str, str]) -> RootArgument:
    """What is to be served.

    Args:
        options: DIR or s3://bucket/prefix, or NAME=one of these for each of several.
        configured: roots by name; they come first.

    Raises:
        InputError: a root is no directory that can be read, or some have names and one has none.
    """
    named = dict(configured)
    plain: list[str] = []
    for option in options:
        match = None if os.path.isdir(option) else _NAMED_ROOT.fullmatch(option)
        if match is None:
            plain.append(option)
        elif match["name"] in named:
            raise InputError(f"--root {option}: there is another root of this name")
        else:
            named[match["name"]] = match["place"]
    if plain and (named or len(plain) > 1):
        raise InputError(f"--root {plain[0]}: of several roots, each needs a name: --root NAME={plain[0]}")
    if named:
        return {name: _checked_root(place) for name, place in named.items()}
    return _checked_root(plain[0] if plain else ".")


def connections_of(root: RootArgument, stores: Mapping[str, Mapping[str, Any]]) -> Connections:
    """What the service reads object stores with: those that are configured, and those that roots are in.

    Raises:
        InputError: a store is none, or its settings cannot be used.
    """
    settings = dict(stores)
    places = [str(place) for place in (root.values() if isinstance(root, Mapping) else [root])]
    remote = [place for place in places if is_in_store(place)]
    for place in remote:
        scheme, _, rest = place.partition("://")
        store = f"{scheme}://{rest.partition('/')[0]}"
        settings.setdefault(store, settings.get(f"{scheme}://*", {}))
    connections = Connections(stores=settings)
    for place in remote:  # what is wrong with settings is known now, and not when somebody asks for a file
        connections.object_root(place, lambda: READ_SIZE)
    return connections


def _checked_root(place: str) -> str:
    if is_in_store(place):
        return place
    if "://" in place:
        raise InputError(f"--root {place}: only a directory or an object store ({', '.join(STORE_SCHEMES)}) is served")
    if not os.path.isdir(place) or not os.access(place, os.R_OK | os.X_OK):
        raise InputError(f"--root {place}: is not a directory that can be read")
    return os.path.realpath(place)
