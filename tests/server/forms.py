"""The forms in which a service sends a tree as bytes that can be had again."""

from dataclasses import dataclass
from typing import Final

import pytest


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How to ask for it, and of which service."""

    name: str
    service: str
    """The fixture."""
    parameters: dict[str, str | int]


STORED: Final = Form(name="stored", service="service", parameters={"method": "store"})
STORED_BLOCKS: Final = Form(name="stored blocks", service="unsurveyed", parameters={"method": "store"})
DEFLATED: Final = Form(name="deflated", service="service", parameters={"method": "deflate", "level": 1})
DEFLATED_AT_LEVEL_6: Final = Form(
    name="deflated at level 6", service="service", parameters={"method": "deflate", "level": 6}
)
"""By the other compressor, which takes longer."""
REPEATABLE: Final = (STORED, STORED_BLOCKS, DEFLATED)

ONE_PASS: Final = Form(name="one pass", service="unsurveyed", parameters={"method": "deflate", "level": 1})
"""Of unknown length."""

each_repeatable_form = pytest.mark.parametrize("form", REPEATABLE, ids=lambda form: form.name)
each_form = pytest.mark.parametrize("form", [*REPEATABLE, ONE_PASS], ids=lambda form: form.name)
