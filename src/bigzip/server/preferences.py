"""What a request would like: the header Prefer (RFC 7240)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MAX_WAIT_SECONDS: Final = 30
_WAIT: Final = re.compile(r'"?([0-9]{1,9})"?')


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """Those that are known here; what is not known or not understood is as if it were not there."""

    respond_async: bool = False
    """Have it done in the background."""
    wait_seconds: int | None = None
    """How long the answer may take; at most `MAX_WAIT_SECONDS`."""

    def applied(self) -> str:
        """The value of Preference-Applied, where both were heeded."""
        told = ["respond-async"] if self.respond_async else []
        return ", ".join(told if self.wait_seconds is None else [*told, f"wait={self.wait_seconds}"])


def preferences(headers: Sequence[str]) -> Preferences:
    """What the Prefer headers of a request say; of a preference that is there twice, the first counts.

    Args:
        headers: each header's value.
    """
    found: dict[str, str] = {}
    for preference in ",".join(headers).split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        found.setdefault(name.strip().lower(), value.strip())
    wait = _WAIT.fullmatch(found.get("wait", ""))
    return Preferences(
        respond_async="respond-async" in found,
        wait_seconds=None if wait is None else min(int(wait[1]), MAX_WAIT_SECONDS),
    )
