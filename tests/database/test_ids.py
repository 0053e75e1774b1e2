"""Names that nobody guesses."""

import re

from bigzip.database.ids import new_id


def test_names_are_arguments_of_commands_as_they_are() -> None:
    found = {new_id() for _ in range(2_000)}  # of which 31 or so would begin with a hyphen
    assert len(found) == 2_000
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}", name) for name in found)
