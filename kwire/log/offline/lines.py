"""A line of a dump: fields in Kafka's order under Kafka's names, as text like Kafka's, or as JSON.

Kafka's text is `name: value name: value ...`. Some values look peculiar there, because Java prints them so; in JSON
they are plain: an absent offset is null, not `OptionalLong.empty`; a timestamp is under `timestamp`, its type beside
it, where the text has the type for a name.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

TIMESTAMP_TYPES = {-1: "NoTimestampType", 0: "CreateTime", 1: "LogAppendTime"}

OPTIONAL_NAMES = frozenset(("deleteHorizonMs", "currentTxnFirstOffset"))

_LOWER_ESCAPE = re.compile(r"(\\\\)|\\u00[01][0-9a-f]")


class Line(NamedTuple):
    """One line of output.

    `kind` says what the fields describe ("batch", "record", "offset index entry", ...); a "message" has only `text`,
    a "complaint" goes to standard error. `body` is text behind the fields: what a record holds.
    """

    kind: str
    fields: dict[str, Any]
    text: str | None = None
    body: str = ""
    prefix: str = ""

    def as_text(self) -> str:
        """The line as Kafka's DumpLogSegments prints it."""
        if self.text is not None:
            return self.text
        return self.prefix + text_of(self.fields) + self.body

    def as_json(self) -> dict[str, Any]:
        """The line as an object; `type` is its kind."""
        if self.text is not None and not self.fields:
            return {"type": self.kind, "text": self.text}
        return {"type": self.kind, **{name.lstrip("_"): value for name, value in self.fields.items()}}


def message(text: str, kind: str = "message", **fields: Any) -> Line:
    """A line that is a sentence; `fields` are what it says, for JSON."""
    return Line(kind, fields, text)


def text_of(fields: dict[str, Any]) -> str:
    """`name: value ...`, the values as Java prints them; names with an underscore in front are for JSON alone."""
    parts = []
    for name, value in fields.items():
        if name == "timestampType":
            continue
        if name == "timestamp" and "timestampType" in fields:
            name = fields["timestampType"]
        if name[0] != "_":
            parts.append(f"{name}: {_java(name, value)}")
    return " ".join(parts)


def _java(name: str, value: Any) -> object:
    if name in OPTIONAL_NAMES:
        return "OptionalLong.empty" if value is None else f"OptionalLong[{value}]"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{','.join(value)}]"
    return value


def json_text(value: object) -> str:
    """Compact JSON as Jackson writes it: control characters with upper-case digits, everything else as it is."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return _LOWER_ESCAPE.sub(lambda found: found[1] or f"\\u{found[0][2:].upper()}", text)


def shown(data: bytes) -> Any:
    """Bytes for JSON: a string when they are UTF-8, else {"base64": ...}."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        from base64 import b64encode

        return {"base64": b64encode(data).decode("ascii")}
