"""Names of what is kept in a database, and of places, that nobody guesses."""

import secrets
from typing import Final

_BYTES: Final = 16


def new_id() -> str:
    """128 random bits, in letters, digits, `_` and `-`; not behind a `-`, with which options of commands begin."""
    while (identity := secrets.token_urlsafe(_BYTES)).startswith("-"):
        pass
    return identity
