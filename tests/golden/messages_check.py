"""Checks message vectors: `name`, `version`, `kind`, `json`, `hex` and, where the stored form has one, the `prefix`."""

from __future__ import annotations

import pkgutil
import struct
from functools import cache
from importlib import import_module
from typing import Any

import kwire.wire.messages
from kwire.wire.codec import decode_from, encode, from_json, to_json


@cache
def message_classes() -> dict[str, type[Any]]:
    """Every declared message by name."""
    classes: dict[str, type[Any]] = {}
    for module in pkgutil.iter_modules(kwire.wire.messages.__path__):
        for name, value in vars(import_module(f"kwire.wire.messages.{module.name}")).items():
            if isinstance(value, type) and "__wire__" in vars(value):
                assert name not in classes, name
                classes[name] = value
    return classes


def body(vector: dict[str, Any]) -> bytes:
    """The vector's bytes without its prefix."""
    data = bytes.fromhex(vector["hex"])
    if "prefix" in vector:
        assert data[:2] == struct.pack(">h", vector["prefix"])
        return data[2:]
    return data


def check(vector: dict[str, Any]) -> str | None:
    """What is wrong with the vector, or None."""
    name, version = vector["name"], vector["version"]
    label = f"{name} v{version} {vector['kind']}"
    cls = message_classes()[name]
    data = body(vector)
    decoded, position = decode_from(cls, version, data)
    if position != len(data):
        return f"{label}: {len(data) - position} bytes left over"
    if to_json(decoded, version) != vector["json"]:
        return f"{label}: decodes to {to_json(decoded, version)}, not {vector['json']}"
    built = from_json(cls, version, vector["json"])
    if built != decoded:
        return f"{label}: from_json gives {built}, decoding {decoded}"
    if vector["kind"] == "unknown":
        # Tags that no schema knows are dropped: what is written must read as the same value.
        again = decode_from(cls, version, encode(decoded, version))[0]
        return None if again == decoded else f"{label}: {again} after a round trip, not {decoded}"
    for source, value in (("JSON", built), ("decoded", decoded)):
        if encode(value, version) != data:
            return f"{label}: from {source} encodes to {encode(value, version).hex()}, not {data.hex()}"
    return None
