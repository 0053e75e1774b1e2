"""Where archives of jobs are built: directories, and prefixes of object stores."""

import threading
from dataclasses import dataclass, field

from bigzip.sinks.parts import PartStore, open_part_store
from bigzip.sources.connections import Connections


@dataclass(slots=True)
class Places:
    """Opens each place once; for any number of threads.

    Args:
        default: where archives are built: a directory's path, or a prefix of an object store, as `s3://bucket/prefix`.
        connections: what object stores are reached with.
    """

    default: str
    connections: Connections
    _stores: dict[str, PartStore] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def open(self, place: str) -> PartStore:
        """What a place leads to.

        Raises:
            InputError: the place cannot be used.
        """
        with self._lock:
            store = self._stores.get(place)
            if store is None:
                store = self._stores[place] = open_part_store(place, self.connections)
            return store
