"""Messages as JSON, in the form of Kafka's own JSON converters.

Names in camel case, bytes and records in padded base64, uuids as 22 characters, numbers as numbers. It holds the fields
of one version; a tagged field that has its default is left out.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any, TypeVar, cast

from kwire.ids import uuid_from_text, uuid_text
from kwire.wire.model import Field, model_of
from kwire.wire.parts import Unread
from kwire.wire.primitives import DecodeError

M = TypeVar("M")


def to_json(obj: object, version: int) -> dict[str, Any]:
    """The fields that the version has, ready for `json.dumps`."""
    out: dict[str, Any] = {}
    for field in model_of(type(obj)).fields:
        if not field.present(version):
            continue
        value = getattr(obj, field.name)
        if field.tag is None or value != field.make_default():
            out[field.json_name] = _out(field, value, version, field.array)
    return out


def from_json(cls: type[M], version: int, json: dict[str, Any]) -> M:
    """The message of a JSON object. Raises DecodeError for unknown or missing fields and for values of a wrong type."""
    values: dict[str, Any] = {}
    rest = dict(json)
    for field in model_of(cls).fields:
        if not field.present(version):
            continue
        if field.json_name in rest:
            try:
                values[field.name] = _in(field, rest.pop(field.json_name), version, field.array)
            except (TypeError, ValueError, AttributeError) as error:
                raise DecodeError(f"{cls.__name__}.{field.json_name}: {error}") from error
        elif field.tag is None:
            raise DecodeError(f"{cls.__name__} v{version} needs {field.json_name}")
    if rest:
        raise DecodeError(f"{cls.__name__} v{version} has no {', '.join(sorted(rest))}")
    return cls(**values)


def _out(field: Field, value: Any, version: int, array: bool) -> Any:
    if value is None:
        return None
    if array:
        return [_out(field, element, version, False) for element in value]
    if field.struct:
        return to_json(value, version)
    if field.type == "Uuid":
        return uuid_text(value)
    if field.type == "Records":
        parts = value if isinstance(value, (list, tuple)) else (value,)
        value = b"".join(part.read() if isinstance(part, Unread) else part for part in parts)
    if field.type in ("Bytes", "Records"):
        return b64encode(value).decode("ascii")
    return value


def _in(field: Field, value: Any, version: int, array: bool) -> Any:
    if value is None:
        if not field.is_nullable(version):
            raise ValueError("must not be null")
        return None
    if array:
        return [_in(field, element, version, False) for element in value]
    if field.struct:
        return from_json(cast("type[Any]", field.struct), version, value)
    if field.type == "Uuid":
        return uuid_from_text(value)
    if field.type in ("Bytes", "Records"):
        return b64decode(value, validate=True)
    return value
