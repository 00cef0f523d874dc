"""From records to lines: JSON objects, or a format with placeholders."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

from kwire.cli.client import ClientError
from kwire.cli.fetcher import Consumed
from kwire.wire.record_codec import Record

FIELDS = ("topic", "partition", "offset", "timestamp", "key", "value", "headers")
_ESCAPES = {"\\t": "\t", "\\n": "\n", "\\0": "\0", "\\\\": "\\"}


def encode_bytes(data: bytes | None, encoding: str) -> str | None:
    """The text for bytes: UTF-8 with \\x.. for what is none, base64 or hex; None for None."""
    if data is None:
        return None
    if encoding == "hex":
        return data.hex()
    if encoding == "base64":
        return base64.b64encode(data).decode("ascii")
    return data.decode("utf-8", "backslashreplace")


def json_formatter(encoding: str) -> Callable[[Consumed], bytes]:
    """A function from a record to a line with one JSON object."""

    def line(consumed: Consumed) -> bytes:
        record = consumed.record
        fields: dict[str, Any] = {
            "topic": consumed.topic,
            "partition": consumed.partition,
            "offset": record.offset,
            "timestamp": record.timestamp,
            "key": encode_bytes(record.key, encoding),
            "value": encode_bytes(record.value, encoding),
            "headers": [
                {"key": name.decode("utf-8", "backslashreplace"), "value": encode_bytes(value, encoding)}
                for name, value in record.headers
            ],
        }
        return json.dumps(fields, ensure_ascii=False).encode("utf-8") + b"\n"

    return line


def template_formatter(template: str, encoding: str) -> Callable[[Consumed], bytes]:
    """A function from a record to what `template` makes of it.

    {topic}, {partition}, {offset}, {timestamp}, {key}, {value} and {headers} (name=value, separated by commas) stand
    for the record's fields, \\t and \\n for tab and line end; null is empty. With the encoding "text", keys and values
    are written byte for byte. Raises ClientError for another name in braces.
    """
    parts: list[bytes | Callable[[Consumed], bytes]] = []
    for literal, field in re.findall(r"([^{]+)|\{([^}]*)\}", template):
        if field or not literal:
            if field not in FIELDS:
                raise ClientError(f"{{{field}}} is no field of a record; there are {', '.join(FIELDS)}")
            parts.append(_field(field, encoding))
        else:
            parts.append(re.sub(r"\\[tn0\\]", lambda match: _ESCAPES[match.group()], literal).encode())
    return lambda consumed: b"".join(part if isinstance(part, bytes) else part(consumed) for part in parts)


def _field(name: str, encoding: str) -> Callable[[Consumed], bytes]:
    def raw(data: bytes | None) -> bytes:
        if data is None:
            return b""
        return data if encoding == "text" else (encode_bytes(data, encoding) or "").encode()

    def headers(record: Record) -> bytes:
        return b",".join(key + b"=" + raw(value) for key, value in record.headers)

    getters: dict[str, Callable[[Consumed], bytes]] = {
        "topic": lambda consumed: consumed.topic.encode(),
        "partition": lambda consumed: b"%d" % consumed.partition,
        "offset": lambda consumed: b"%d" % consumed.record.offset,
        "timestamp": lambda consumed: b"%d" % consumed.record.timestamp,
        "key": lambda consumed: raw(consumed.record.key),
        "value": lambda consumed: raw(consumed.record.value),
        "headers": lambda consumed: headers(consumed.record),
    }
    return getters[name]
