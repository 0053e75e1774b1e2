"""Who uses one framework, or none, needs no other."""

import subprocess
import sys

import pytest

FRAMEWORKS = {"aiohttp", "django", "flask", "starlette"}


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("bigzip", set()),
        ("bigzip.contrib.transfer", set()),
        ("bigzip.contrib.wsgi", set()),
        *((f"bigzip.contrib.{name}", {name}) for name in sorted(FRAMEWORKS)),
    ],
)
def test_a_module_imports_its_own_framework_alone(module: str, expected: set[str]) -> None:
    code = f"import {module}, sys; print(*{FRAMEWORKS} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert set(found.split()) == expected
