"""The broker's log on standard error, as lines for people or as one JSON object a line for machines."""

from __future__ import annotations

import logging
import sys
import time


class TextFormatter(logging.Formatter):
    """`2026-01-31 12:00:00.123 INFO  kwire.log: text`, local time."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03d %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%d %H:%M:%S")


class JsonFormatter(logging.Formatter):
    """One object a line: `time` (RFC 3339, UTC, milliseconds), `level`, `logger`, `message`, `exception` if any."""

    def format(self, record: logging.LogRecord) -> str:
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        import json  # not on the way to a broker that logs text

        return json.dumps(line, ensure_ascii=False)


def set_up_logging(log_format: str, level: str) -> None:
    """Send everything from `level` up to standard error; `log_format` is text or json."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
