"""The header Prefer, as RFC 7240 writes it and as people do."""

import pytest

from bigzip.server.preferences import Preferences, preferences


@pytest.mark.parametrize(
    ("headers", "respond_async", "wait", "applied"),
    [
        ([], False, None, ""),
        (["respond-async"], True, None, "respond-async"),
        (["respond-async, wait=10"], True, 10, "respond-async, wait=10"),
        (["Respond-Async", "WAIT = 5"], True, 5, "respond-async, wait=5"),
        (['wait="7"; x=y'], False, 7, "wait=7"),
        (["wait=30"], False, 30, "wait=30"),
        (["wait=31"], False, 30, "wait=30"),
        (["wait=1, wait=9"], False, 1, "wait=1"),
        (["wait=0"], False, 0, "wait=0"),
        (["wait=-1", "wait=5"], False, None, ""),
        (["wait=1.5"], False, None, ""),
        (["wait=\u0661"], False, None, ""),
        (["wait", "handling=lenient, ,;"], False, None, ""),
    ],
)
def test_what_is_preferred(headers: list[str], respond_async: bool, wait: int | None, applied: str) -> None:
    found = preferences(headers)
    assert found == Preferences(respond_async=respond_async, wait_seconds=wait)
    assert found.applied() == applied
