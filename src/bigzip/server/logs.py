"""The service's log on standard error: lines for people, or a JSON object a record."""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from bigzip.errors import printable

# Requests are logged without their queries and headers. This is for what libraries may say of a URL or a header.
_SECRETS: Final = re.compile(
    r"(?i)(?P<name>\b(?:[\w-]*signature|[\w-]*token|x-amz-credential|sig)=|\bbearer\s+(?=\S{8}))[^\s&\"'<>]+|\bbz_[\w-]+"
)


class LogFormat(StrEnum):
    """How records are written."""

    TEXT = "text"
    JSON = "json"


def configure_logs(log_format: LogFormat, *, quiet: bool) -> None:
    """Have all records of the process written to standard error.

    Args:
        log_format: how.
        quiet: whether to leave out ordinary requests, starting and stopping.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if log_format is LogFormat.JSON else TextLines())
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("bigzip", "uvicorn"):
        logging.getLogger(name).setLevel(logging.WARNING if quiet else logging.INFO)


class TextLines(logging.Formatter):
    """`2026-01-31T12:00:00.000Z INFO message`; a traceback follows in lines that begin with a bar."""

    def format(self, record: logging.LogRecord) -> str:
        """A line, and a traceback where there is one."""
        line = f"{_time(record)} {record.levelname} {_message(record)}"
        traceback = _traceback(self, record)
        return "\n| ".join([line, *(printable(part) for part in traceback.splitlines())])


class JsonLines(logging.Formatter):
    """An object a record: `time`, `level`, `logger`, `message` and, of requests, the fields of `requests.py`."""

    def format(self, record: logging.LogRecord) -> str:
        """The object, in one line."""
        fields: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        if traceback := _traceback(self, record):
            fields["traceback"] = traceback
        return json.dumps(fields | getattr(record, "request", {}))


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    return printable(_redacted(record.getMessage()))


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return _redacted(formatter.formatException(record.exc_info)) if record.exc_info else ""


def _redacted(text: str) -> str:
    return _SECRETS.sub(lambda match: f"{match['name'] or ''}[secret]", text)
