"""The field types of Kafka's protocol, one read and one write function each.

Readers take `(data, position, end)` and return `(value, position after it)`; `end` is how far this field may reach.
They check every length against the bytes left before they take anything, and raise DecodeError. An index or a
`struct` call beyond the buffer raises IndexError or struct.error, which `codec` turns into DecodeError for all of them.

What is no UTF-8 in a string becomes U+FFFD, as in Java's strings: Apache Kafka serves clients that write Latin-1.

"Compact" forms (KIP-482, flexible versions) have an unsigned varint of length + 1 with 0 for null; the older forms have
an int16 (strings) or int32 (everything else) with a negative length for null.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct, unpack_from

from kwire.wire.parts import Buffer, Part, Unread, part_size

Records = Part | Sequence[Part]
"""Record batches. Decoding gives a memoryview of the frame; what is sent may also be a file range, or several parts."""


class WireError(ValueError):
    """Bytes or values that the protocol cannot express."""


class DecodeError(WireError):
    """The bytes are not a value of the expected type."""


class EncodeError(WireError):
    """The value has no form in the version asked for."""


MAX_STRING_BYTES = 0x7FFF
_UINT32_MAX = 0xFFFFFFFF
_INT16 = Struct(">h")
_INT32 = Struct(">i")
_read_int16 = _INT16.unpack_from
_read_int32 = _INT32.unpack_from
_pack_int16 = _INT16.pack
_pack_int32 = _INT32.pack


# --- varints


def read_uvarint(data: Buffer, p: int) -> tuple[int, int]:
    """An unsigned varint of at most five bytes and 32 bits."""
    # Unrolled, because it is met several times in each request: a continuation bit 1 << 7k is taken back by the - 1.
    value = data[p]
    if value < 0x80:
        return value, p + 1
    byte = data[p + 1]
    value += byte - 1 << 7
    if byte < 0x80:
        return value, p + 2
    byte = data[p + 2]
    value += byte - 1 << 14
    if byte < 0x80:
        return value, p + 3
    byte = data[p + 3]
    value += byte - 1 << 21
    if byte < 0x80:
        return value, p + 4
    byte = data[p + 4]
    if byte > 0x0F:
        raise DecodeError("a varint is longer than 32 bits")
    return value + (byte - 1 << 28), p + 5


def _make_uvarint(value: int) -> bytes:
    if not 0 <= value <= _UINT32_MAX:
        raise EncodeError(f"{value} does not fit an unsigned varint of 32 bits")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class _Uvarints(dict[int, bytes]):
    """Unsigned varints by value: the small ones are kept, the others made when asked for."""

    __slots__ = ()

    def __missing__(self, value: int) -> bytes:
        return _make_uvarint(value)


UVARINTS = _Uvarints((i, _make_uvarint(i)) for i in range(256))


def uvarint(value: int) -> bytes:
    """The bytes of an unsigned varint. Raises EncodeError beyond 32 bits."""
    return UVARINTS[value]


# --- lengths


def _length_error(what: str, length: int, left: int) -> DecodeError:
    if length < 0:
        return DecodeError(f"{what} that cannot be null is null (length {length})")
    return DecodeError(f"{what} claims {length} bytes, {left} are left")


def read_count(data: Buffer, p: int, end: int, size: int) -> tuple[int, int]:
    """Element count of an array, -1 for null; `size` is the least number of bytes that one element takes."""
    (count,) = _read_int32(data, p)
    p += 4
    if count * size > end - p:
        raise DecodeError(f"an array claims {count} elements of {size} bytes or more, {end - p} bytes are left")
    return count if count >= 0 else -1, p


def read_compact_count(data: Buffer, p: int, end: int, size: int) -> tuple[int, int]:
    """Like `read_count`, for a compact array."""
    count = data[p] - 1
    p += 1
    if count > 0x7E:
        count, p = read_uvarint(data, p - 1)
        count -= 1
    if count * size > end - p:
        raise DecodeError(f"an array claims {count} elements of {size} bytes or more, {end - p} bytes are left")
    return count, p


def null_array(name: str) -> DecodeError:
    """The error for an array that must not be null."""
    return DecodeError(f"array {name} is null")


# --- strings


def read_string(data: Buffer, p: int, end: int) -> tuple[str, int]:
    """A string with an int16 length."""
    (length,) = _read_int16(data, p)
    p += 2
    q = p + length
    if length < 0 or q > end:
        raise _length_error("a string", length, end - p)
    return str(data[p:q], "utf-8", "replace"), q


def read_nullable_string(data: Buffer, p: int, end: int) -> tuple[str | None, int]:
    """A string with an int16 length, or null."""
    if data[p] > 0x7F:
        _read_int16(data, p)
        return None, p + 2
    return read_string(data, p, end)


def read_compact_string(data: Buffer, p: int, end: int) -> tuple[str, int]:
    """A compact string."""
    length = data[p] - 1
    p += 1
    if length > 0x7E:
        length, p = read_uvarint(data, p - 1)
        length -= 1
        if length > MAX_STRING_BYTES:
            raise DecodeError(f"a string of {length} bytes is longer than {MAX_STRING_BYTES}")
    q = p + length
    if length < 0 or q > end:
        raise _length_error("a string", length, end - p)
    return str(data[p:q], "utf-8", "replace"), q


def read_compact_nullable_string(data: Buffer, p: int, end: int) -> tuple[str | None, int]:
    """A compact string, or null."""
    if not data[p]:
        return None, p + 1
    return read_compact_string(data, p, end)


def string(value: str) -> bytes:
    """A string with an int16 length."""
    raw = value.encode()
    return _pack_int16(len(raw)) + raw


def nullable_string(value: str | None) -> bytes:
    """A string with an int16 length, or null."""
    return b"\xff\xff" if value is None else string(value)


def compact_string(value: str) -> bytes:
    """A compact string."""
    raw = value.encode()
    length = len(raw)
    if length < 0xFF:
        return UVARINTS[length + 1] + raw
    if length > MAX_STRING_BYTES:
        raise EncodeError(f"a string of {length} bytes is longer than {MAX_STRING_BYTES}")
    return _make_uvarint(length + 1) + raw


def compact_nullable_string(value: str | None) -> bytes:
    """A compact string, or null."""
    return b"\0" if value is None else compact_string(value)


# --- bytes and records


def read_span(data: Buffer, p: int, end: int) -> tuple[int, int]:
    """Start and end of a byte field with an int32 length; the start is -1 for null."""
    (length,) = _read_int32(data, p)
    p += 4
    if length < 0:
        return -1, p
    if length > end - p:
        raise _length_error("a byte field", length, end - p)
    return p, p + length


def read_compact_span(data: Buffer, p: int, end: int) -> tuple[int, int]:
    """Start and end of a compact byte field; the start is -1 for null."""
    byte = data[p + 1]
    if byte < 0x80 <= data[p]:
        length = data[p] + (byte - 1 << 7)
        p += 2
    else:
        length, p = read_uvarint(data, p)
    if not length:
        return -1, p
    if length - 1 > end - p:
        raise _length_error("a byte field", length - 1, end - p)
    return p, p + length - 1


def read_bytes(data: Buffer, p: int, end: int) -> tuple[bytes, int]:
    """A copy of a byte field with an int32 length."""
    p, q = read_span(data, p, end)
    if p < 0:
        raise _length_error("a byte field", -1, 0)
    return bytes(data[p:q]), q


def read_nullable_bytes(data: Buffer, p: int, end: int) -> tuple[bytes | None, int]:
    """A copy of a byte field with an int32 length, or null."""
    p, q = read_span(data, p, end)
    return (None, q) if p < 0 else (bytes(data[p:q]), q)


def read_compact_bytes(data: Buffer, p: int, end: int) -> tuple[bytes, int]:
    """A copy of a compact byte field."""
    p, q = read_compact_span(data, p, end)
    if p < 0:
        raise _length_error("a byte field", -1, 0)
    return bytes(data[p:q]), q


def read_compact_nullable_bytes(data: Buffer, p: int, end: int) -> tuple[bytes | None, int]:
    """A copy of a compact byte field, or null."""
    p, q = read_compact_span(data, p, end)
    return (None, q) if p < 0 else (bytes(data[p:q]), q)


def raw_bytes(value: Buffer) -> bytes:
    """A byte field with an int32 length."""
    raw = bytes(value) if isinstance(value, (bytes, bytearray, memoryview)) else _not_bytes(value)
    return _pack_int32(len(raw)) + raw


def nullable_bytes(value: Buffer | None) -> bytes:
    """A byte field with an int32 length, or null."""
    return b"\xff\xff\xff\xff" if value is None else raw_bytes(value)


def compact_bytes(value: Buffer) -> bytes:
    """A compact byte field."""
    raw = bytes(value) if isinstance(value, (bytes, bytearray, memoryview)) else _not_bytes(value)
    return uvarint(len(raw) + 1) + raw


def compact_nullable_bytes(value: Buffer | None) -> bytes:
    """A compact byte field, or null."""
    return b"\0" if value is None else compact_bytes(value)


def _not_bytes(value: object) -> bytes:
    # bytes(5) would quietly be five zeros.
    raise EncodeError(f"a byte field cannot hold {type(value).__name__}")


# --- arrays of numbers


def read_numbers(data: Buffer, p: int, count: int, code: str, size: int) -> tuple[list[int], int]:
    """`count` numbers of struct code `code`, whose room the caller has checked."""
    return list(unpack_from(f">{count}{code}", data, p)), p + count * size


def numbers(values: Sequence[int], code: str) -> bytes:
    """The numbers one after another, without a count."""
    return Struct(f">{len(values)}{code}").pack(*values)


# --- tagged fields (KIP-482)


def read_tag(data: Buffer, p: int, end: int, last: int) -> tuple[int, int, int]:
    """Tag, start and end of one tagged field; `last` is the tag before it, -1 at first."""
    tag, p = read_uvarint(data, p)
    if tag <= last:
        raise DecodeError(f"tagged field {tag} comes after {last}")
    size, p = read_uvarint(data, p)
    if size > end - p:
        raise _length_error(f"tagged field {tag}", size, end - p)
    return tag, p, p + size


def skip_tags(data: Buffer, p: int, end: int) -> int:
    """Position after a section of tagged fields of which none is known."""
    count, p = read_uvarint(data, p)
    tag = -1
    for _ in range(count):
        tag, _start, p = read_tag(data, p, end, tag)
    return p


def tag_size_error(tag: int) -> DecodeError:
    """The error for a tagged field whose value does not fill its size."""
    return DecodeError(f"tagged field {tag} does not fill its size")


def tags(fields: Sequence[tuple[int, bytes]]) -> bytes:
    """A section of tagged fields, which are given in the order of their tags."""
    pieces = [uvarint(len(fields))]
    for tag, value in fields:
        pieces += (uvarint(tag), uvarint(len(value)), value)
    return b"".join(pieces)


# --- records fields and nullable structures


def records_size(value: Records) -> int:
    """How many bytes the record batches are. Raises EncodeError for anything else."""
    if isinstance(value, (bytes, bytearray, memoryview, Unread)):
        return part_size(value)
    if isinstance(value, (list, tuple)):
        return sum(map(records_size, value))
    raise EncodeError(f"records cannot be {type(value).__name__}")


def records_prefix(value: Records | None) -> bytes:
    """The int32 length before record batches, -1 for null."""
    return b"\xff\xff\xff\xff" if value is None else _pack_int32(records_size(value))


def compact_records_prefix(value: Records | None) -> bytes:
    """The compact length before record batches, 0 for null."""
    return b"\0" if value is None else uvarint(records_size(value) + 1)


def bad_presence(byte: int) -> None:
    """Raise for a byte before a structure that is neither "null" nor "here it is"."""
    raise DecodeError(f"{byte} before a structure is neither null nor present")
