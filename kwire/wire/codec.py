"""Messages to bytes and back.

The first use of a class in a version compiles one function for that direction (`decoder`, `encoder`); nothing is
compiled at import. `warm` does it ahead, in idle time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from struct import Struct
from struct import error as StructError  # noqa: N812  # it is a class, whatever it is called
from typing import Any, TypeVar

from kwire.wire.decoder import Decoder, compile_decoder
from kwire.wire.encoder import Encoder, compile_encoder
from kwire.wire.json_form import from_json, to_json
from kwire.wire.model import Model, model_of
from kwire.wire.parts import Buffer, Part, Unread
from kwire.wire.primitives import DecodeError, EncodeError, WireError

__all__ = [
    "DecodeError",
    "EncodeError",
    "WireError",
    "decode",
    "decode_from",
    "decode_prefixed",
    "encode",
    "encode_parts",
    "encode_prefixed",
    "from_json",
    "to_json",
    "warm",
]

M = TypeVar("M")

_COPY_BELOW_BYTES = 16384
"""A frame with records up to this size is copied once, because indexing bytes is twice as fast as a memoryview."""

_PREFIX = Struct(">h")
_decoders: dict[type, dict[int, tuple[Decoder, bool]]] = {}
_encoders: dict[type, dict[int, Encoder]] = {}


def decode(cls: type[M], version: int, data: Buffer, offset: int = 0) -> M:
    """The value at `offset`; bytes after it are nobody's business here. Raises DecodeError."""
    value: M = decode_from(cls, version, data, offset)[0]
    return value


def decode_from(cls: type[M], version: int, data: Buffer, offset: int = 0) -> tuple[Any, int]:
    """The value at `offset` and the position after it. Raises DecodeError.

    `records` fields are memoryviews of `data`; everything else is copied.
    """
    try:
        function, has_records = _decoders[cls][version]
    except KeyError:
        function, has_records = _new_decoder(cls, version)
    view = memoryview(data)
    size = len(view)
    if type(data) is not bytes:
        data = bytes(view) if size <= _COPY_BELOW_BYTES or not has_records else view
    try:
        return function(data, view, offset, size)
    except (IndexError, StructError):
        raise DecodeError(f"{cls.__name__} v{version}: {size} bytes end in the middle of it") from None
    except DecodeError as error:
        raise DecodeError(f"{cls.__name__} v{version}: {error}") from None


def encode(obj: object, version: int) -> bytes:
    """The bytes of a message, `records` included. Raises EncodeError; OSError when a file range cannot be read."""
    out: list[Any] = []

    def cut(records: Any) -> None:
        if isinstance(records, (list, tuple)):
            for part in records:
                cut(part)
        elif records is not None:
            out.append(records.read() if isinstance(records, Unread) else records)

    _encode(obj, version, out.append, cut)
    return b"".join(out)


def encode_parts(obj: object, version: int, first: bytes = b"") -> list[Part]:
    """The parts of a message: like `encode`, but `records` stay parts of their own, uncopied.

    `first` (a header) stands before the first part. Raises EncodeError.
    """
    pieces: list[bytes] = [first]
    parts: list[Part] = []

    def cut(records: Any) -> None:
        if records is None:
            return
        parts.append(b"".join(pieces))
        pieces.clear()
        parts.extend(records if isinstance(records, (list, tuple)) else (records,))

    _encode(obj, version, pieces.append, cut)
    if pieces:
        parts.append(b"".join(pieces))
    return parts


def _encode(obj: object, version: int, write: Callable[[bytes], None], cut: Callable[[Any], None]) -> None:
    cls = type(obj)
    try:
        function = _encoders[cls][version]
    except KeyError:
        function = _new_encoder(cls, version)
    try:
        function(obj, write, cut)
    except EncodeError as error:
        raise EncodeError(f"{cls.__name__} v{version}: {error}") from None
    except (StructError, TypeError, AttributeError, UnicodeEncodeError) as error:
        # Null where null is not allowed, a number out of range, a value of another type.
        raise EncodeError(f"{cls.__name__} v{version}: {error}") from error


def encode_prefixed(obj: object, version: int) -> bytes:
    """A record of an internal topic as it is stored: its int16 (record type or version, as declared), then the body."""
    model = model_of(type(obj))
    number = model.key if model.prefix == "record_type" else version
    assert number is not None
    return _PREFIX.pack(number) + encode(obj, version)


def decode_prefixed(cls: type[M], data: Buffer) -> tuple[M, int]:
    """A stored record and its version, from its int16 on. Raises DecodeError, also for another record type."""
    if len(data) < 2:
        raise DecodeError(f"{cls.__name__}: {len(data)} bytes have no room for the leading int16")
    (number,) = _PREFIX.unpack_from(data)
    model = model_of(cls)
    version = number
    if model.prefix == "record_type":
        if number != model.key:
            raise DecodeError(f"{cls.__name__} has record type {model.key}, not {number}")
        version = model.valid[0]
    return decode(cls, version, data, 2), version


def warm(cls: type, versions: Iterable[int]) -> None:
    """Compile both directions for these versions now, so that nobody waits for it later."""
    for version in versions:
        if version not in _decoders.get(cls, ()):
            _new_decoder(cls, version)
        if version not in _encoders.get(cls, ()):
            _new_encoder(cls, version)


def _checked_model(cls: type, version: int, error: type[WireError]) -> Model:
    model = model_of(cls)
    if not model.valid[0] <= version <= model.valid[1]:
        raise error(f"{cls.__name__} has versions {model.valid[0]} to {model.valid[1]}, not {version}")
    return model


def _new_decoder(cls: type, version: int) -> tuple[Decoder, bool]:
    flexible = _checked_model(cls, version, DecodeError).is_flexible(version)
    compiled = _decoders.setdefault(cls, {})[version] = compile_decoder(cls, version, flexible)
    return compiled


def _new_encoder(cls: type, version: int) -> Encoder:
    flexible = _checked_model(cls, version, EncodeError).is_flexible(version)
    compiled = _encoders.setdefault(cls, {})[version] = compile_encoder(cls, version, flexible)
    return compiled
