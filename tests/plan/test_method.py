"""Which method an entry gets."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigzip.plan.entry import Form, Method
from bigzip.plan.method import SMALLEST_WORTH, method_by_type, smallest
from bigzip.testing import Content, VirtualSource


@pytest.mark.parametrize("name", ["a.jpg", "a.JPG", "dir/a.b.zip", "x.tar.gz", "clip.Mp4", ".zip", "a.7z"])
def test_compressed_types_are_stored(name: str) -> None:
    assert method_by_type(name) is Method.STORE


@pytest.mark.parametrize("name", ["a.txt", "jpg", "dir.jpg/a", "a.jpg.txt", "a.", "a.jpg ", "zip", ""])
def test_other_types_are_deflated(name: str) -> None:
    assert method_by_type(name) is Method.AUTO


@pytest.mark.parametrize("method", [Method.AUTO, Method.DEFLATE])
@pytest.mark.parametrize("level", [0, 1, 6, 9])
def test_smallest_deflates_what_becomes_smaller(method: Method, level: int) -> None:
    data = VirtualSource(5_000, content=Content.TEXT).data()
    form, encoded = smallest(data, method, level)
    assert form is Form.DEFLATED
    assert len(encoded) < len(data)
    assert zlib.decompress(encoded, -zlib.MAX_WBITS) == data


@pytest.mark.parametrize(
    ("data", "method"),
    [
        (b"", Method.DEFLATE),
        (b"a" * (SMALLEST_WORTH - 1), Method.DEFLATE),
        (b"a" * 1_000, Method.STORE),
        (VirtualSource(1_000, content=Content.NOISE).data(), Method.DEFLATE),
    ],
)
def test_smallest_stores_the_rest(data: bytes, method: Method) -> None:
    assert smallest(data, method, 6) == (Form.STORED, data)


def test_smallest_tries_from_the_smallest_worth_on() -> None:
    assert smallest(b"a" * SMALLEST_WORTH, Method.DEFLATE, 6)[0] is Form.DEFLATED


@given(st.binary(max_size=300), st.sampled_from(Method), st.integers(0, 9))
def test_smallest_never_grows(data: bytes, method: Method, level: int) -> None:
    _, encoded = smallest(data, method, level)
    assert len(encoded) <= len(data)
