"""What is right beneath a prefix of an object store, a page at a time: there may be millions of keys."""

from typing import NamedTuple, Protocol


class Child(NamedTuple):
    """An object right beneath a prefix, or all objects beneath one that is longer by a component."""

    name: str
    """Its key without the prefix; of a longer prefix, with the slash at its end."""
    size: int
    """Bytes."""
    modified: int | None
    """Seconds since 1970; None of a prefix, and where the store does not say."""

    @property
    def is_prefix(self) -> bool:
        """Whether objects are beneath it."""
        return self.name.endswith("/")


class Children(NamedTuple):
    """One page."""

    children: list[Child]
    """By name. What comes on other pages may stand between them: not all stores list in the order of keys."""
    cursor: str | None
    """Where the next page begins, in the store's own words; None where there is no more."""
    is_there: bool
    """Whether any key begins with the prefix."""


class Pages(Protocol):
    """A store that lists a page at a time."""

    def children(self, prefix: str, cursor: str, count: int) -> Children:
        """One page.

        Args:
            prefix: what keys begin with; "" for all, else with a slash at its end.
            cursor: as the page before told it; "" for the first page.
            count: how many at most.

        Raises:
            SourceMissing: there is no such bucket, or it may not be listed.
            SourceReadError: the store cannot be asked now.
        """
        ...


def page_of(listed: list[Child], cursor: str, count: int) -> Children:
    """One page of what was listed in whole, by a store that cannot do with less."""
    ordered = sorted((child for child in listed if child.name), key=lambda child: child.name)
    rest = [child for child in ordered if child.name > cursor]
    page = rest[:count]
    return Children(page, page[-1].name if len(rest) > count else None, bool(listed))
