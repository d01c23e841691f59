"""Logs on stderr, one line each: plain with ``key=value`` fields, or JSON."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """What the caller gave as ``extra``."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD and not name.startswith("_")}


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class PlainFormatter(logging.Formatter):
    """``2026-01-01T00:00:00.000Z INFO hostler.x: message key=value``."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback follows it."""
        fields = "".join(f" {name}={_quoted(value)}" for name, value in _fields(record).items())
        line = f"{_time(record)} {record.levelname} {record.name}: {_one_line(record.getMessage())}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Fields beside time, level, logger and message."""
        entry = {
            **_fields(record),
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def configure(*, level: str, style: str) -> None:
    """Send all logs to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else PlainFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Each probe and scrape would be a line.
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


def _one_line(text: str) -> str:
    return text.replace("\n", "\\n")


def _quoted(value: object) -> str:
    text = _one_line(str(value))
    return json.dumps(text) if " " in text or "=" in text or '"' in text else text
