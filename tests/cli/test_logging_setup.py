"""The two shapes of a log line."""

from __future__ import annotations

import json
import logging
import sys

from kwire.cli.logging_setup import JsonFormatter, TextFormatter


def record(level: int) -> logging.LogRecord:
    try:
        raise ValueError("no")
    except ValueError:
        made = logging.LogRecord("kwire.log", level, "file", 1, "%s failed\nbadly", ("é",), sys.exc_info())
    made.created, made.msecs = 1_700_000_000.25, 250.0
    return made


def test_json_is_one_object_on_one_line() -> None:
    text = JsonFormatter().format(record(logging.WARNING))
    assert "\n" not in text
    line = json.loads(text)
    assert line.pop("exception").endswith("ValueError: no")
    assert line == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "warning",
        "logger": "kwire.log",
        "message": "é failed\nbadly",
    }


def test_text_is_for_people() -> None:
    first = TextFormatter().format(record(logging.ERROR)).splitlines()[0]
    assert first.endswith(".250 ERROR   kwire.log: é failed")
