"""From lines of text to records: plain lines, lines with a key, JSON objects."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from kwire.cli.client import ClientError

ENCODINGS = ("text", "base64", "hex")
"""How bytes stand in a line or in JSON."""

Headers = tuple[tuple[str, bytes | None], ...]


class InputRecord(NamedTuple):
    """A record to send; None where the input says nothing: the producer then chooses partition and timestamp (ms)."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    partition: int | None = None
    timestamp: int | None = None


def line_parser(
    *, key_separator: bytes | None, null: bytes | None, encoding: str, headers: Headers
) -> Callable[[bytes], InputRecord]:
    """A function from a line without its end to a record. It raises ClientError for a line it cannot read.

    A line is the value; with `key_separator`, what stands before its first occurrence is the key. A key or value equal
    to `null` is none at all.
    """

    def cell(text: bytes) -> bytes | None:
        if text == null:
            return None
        return text if encoding == "text" else decode_bytes(text.decode("ascii", "replace"), encoding)

    def parse(line: bytes) -> InputRecord:
        if key_separator is None:
            return InputRecord(None, cell(line), headers)
        key, found, value = line.partition(key_separator)
        if not found:
            raise ClientError(f"the key separator is missing in the line {line[:60].decode('utf-8', 'replace')!r}")
        return InputRecord(cell(key), cell(value), headers)

    return parse


def json_parser(*, encoding: str, headers: Headers) -> Callable[[bytes], InputRecord]:
    """A function from a JSON object to a record; the fields are those that `kwire consume --json` writes.

    `value` and `key` are strings or null; another JSON value is sent as its JSON text. `headers` is a list of objects
    with `key` and `value`, or an object. `partition` and `timestamp` are numbers. Other fields are passed over.
    """

    def parse(line: bytes) -> InputRecord:
        try:
            fields = json.loads(line)
        except ValueError as error:
            raise ClientError(f"a line is not JSON ({error}): {line[:60].decode('utf-8', 'replace')!r}") from None
        if not isinstance(fields, dict):
            raise ClientError(f"a line is JSON, but not an object: {line[:60].decode('utf-8', 'replace')!r}")
        for name, bits in (("partition", 31), ("timestamp", 63)):
            number = fields.get(name, 0)
            if not isinstance(number, int) or not -(1 << bits) <= number < 1 << bits:
                raise ClientError(f"{name} is not a whole number of {bits + 1} bits: {number!r:.60}")
        try:
            return InputRecord(
                _json_bytes(fields.get("key"), encoding),
                _json_bytes(fields.get("value"), encoding),
                (*_json_headers(fields.get("headers"), encoding), *headers),
                fields.get("partition"),
                fields.get("timestamp"),
            )
        except UnicodeEncodeError as error:
            # JSON may escape one half of a pair of surrogates, which is no character.
            raise ClientError(f"a text has no form in UTF-8: {error.object[:60]!r}") from None

    return parse


def decode_bytes(text: str, encoding: str) -> bytes:
    """The bytes that a text stands for. Raises ClientError."""
    if encoding == "text":
        return text.encode("utf-8", "surrogateescape")
    try:
        return bytes.fromhex(text) if encoding == "hex" else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise ClientError(f"{text[:60]!r} is not {encoding}") from None


def _json_bytes(value: Any, encoding: str) -> bytes | None:
    if value is None:
        return None
    if isinstance(value, str):
        return decode_bytes(value, encoding)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _json_headers(value: Any, encoding: str) -> Headers:
    if value is None:
        return ()
    if isinstance(value, dict):
        return tuple((_header_name(key), _json_bytes(text, encoding)) for key, text in value.items())
    if isinstance(value, list) and all(isinstance(entry, dict) and "key" in entry for entry in value):
        return tuple((_header_name(entry["key"]), _json_bytes(entry.get("value"), encoding)) for entry in value)
    raise ClientError("headers are neither an object nor a list of objects with key and value")


def _header_name(name: Any) -> str:
    if not isinstance(name, str):
        raise ClientError(f"the key of a header is not a text: {name!r:.60}")
    name.encode()
    return name
