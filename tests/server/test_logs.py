"""What becomes of a record of the log."""

import json
import logging
import sys

import pytest

from bigzip.server.logs import JsonLines, TextLines


def record(message: str, *arguments: object, failure: BaseException | None = None) -> logging.LogRecord:
    info = None if failure is None else (type(failure), failure, failure.__traceback__)
    made = logging.LogRecord("bigzip", logging.ERROR, __file__, 1, message, arguments, info)
    made.created = 1_769_860_800.0
    return made


def failure(message: str) -> BaseException:
    try:
        raise ValueError(message)
    except ValueError:
        caught = sys.exception()
        assert caught is not None
        return caught


def test_a_text_line() -> None:
    assert TextLines().format(record("%s: gone\n", "a\nb")) == "2026-01-31T12:00:00.000Z ERROR a\\nb: gone\\n"


def test_a_traceback_cannot_be_taken_for_lines() -> None:
    first, *others = TextLines().format(record("bad", failure=failure("a\n2026-01-31 forged"))).split("\n")
    assert first.endswith(" ERROR bad")
    assert others[0] == "| Traceback (most recent call last):"
    assert all(line.startswith("| ") for line in others)


def test_a_json_line() -> None:
    line = JsonLines().format(record("%s", "a\nb\x1b", failure=failure("c\nd")))
    assert line.isprintable()
    fields = json.loads(line)
    assert fields["message"] == "a\\nb\\x1b"
    assert fields["level"] == "error"
    assert fields["time"] == "2026-01-31T12:00:00.000Z"
    assert fields["traceback"].endswith("ValueError: c\nd")


@pytest.mark.parametrize("formatter", [TextLines(), JsonLines()])
@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("GET https://s/a?X-Amz-Signature=s3cr3t&b=1 failed", "b=1 failed"),
        ("X-Amz-Credential=s3cr3t&x", "x"),
        ("signature=s3cr3t", ""),
        ("X-Amz-Security-Token=s3cr3t ended", "ended"),
        ("?sig=s3cr3t&se=2026", "se=2026"),
        ("Authorization: Bearer s3cr3t-as-ever", "Authorization: "),
        ("token bz_s3cr3t is bad", "is bad"),
    ],
)
def test_secrets_in_messages_are_struck_out(formatter: logging.Formatter, message: str, kept: str) -> None:
    for made in (record(message), record("%s", message), record("x", failure=failure(message))):
        written = formatter.format(made)
        assert "s3cr3t" not in written.replace("Error('", "")
        assert "[secret]" in written
        assert kept in written


def test_other_words_stay() -> None:
    message = "design.txt: the signature is missing; tokens=3, bearer of news"
    assert TextLines().format(record(message)).endswith(message)
