"""Damage to golden vectors: every truncation, and random mutations from a fixed seed.

Whatever the bytes, decoding gives a value or a DecodeError; a value can be encoded and reads the same again.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from kwire.wire.codec import DecodeError, decode_from, encode
from tests.golden.messages_check import body, message_classes

LENGTHS_THAT_LIE = (
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\xff",
    b"\x80\x00\x00\x00",
    b"\xff\xff\xff\xff\x07",
    b"\xff\xff\xff\xff\x0f",
    b"\xff\xff\xff\xff\xff",
    b"\x7f\xff",
)


def truncations(data: bytes) -> Iterator[bytes]:
    """Every prefix that is shorter than the whole."""
    return (data[:length] for length in range(len(data)))


def mutations(data: bytes, seed: object, count: int) -> Iterator[bytes]:
    """`count` damaged copies, the same for the same seed."""
    source = random.Random(repr(seed))
    for _ in range(count if data else 0):
        damaged = bytearray(data)
        for _ in range(source.choice((1, 1, 2, 5))):
            at = source.randrange(len(damaged))
            kind = source.randrange(4)
            if kind == 0:
                damaged[at] = source.randrange(256)
            elif kind == 1:
                damaged[at] ^= 1 << source.randrange(8)
            elif kind == 2:
                lie = source.choice(LENGTHS_THAT_LIE)
                damaged[at : at + len(lie)] = lie
            else:
                damaged[at:at] = source.randbytes(source.randrange(1, 4))
        yield bytes(damaged)


def decode_hostile(cls: type[Any], version: int, data: bytes) -> bool:
    """Decode; True for a value, False for a DecodeError. Anything else comes through as the failure that it is."""
    try:
        value, position = decode_from(cls, version, data)
    except DecodeError:
        return False
    assert 0 <= position <= len(data)
    again = encode(value, version)
    # Compared as bytes, because NaN is not equal to itself.
    assert encode(decode_from(cls, version, again)[0], version) == again
    return True


def check(vector: dict[str, Any], mutation_count: int = 20) -> str | None:
    """Everything at once, for the checker's --hostile."""
    cls, version, data = message_classes()[vector["name"]], vector["version"], body(vector)
    for damaged in (*truncations(data), *mutations(data, (vector["name"], version, data), mutation_count)):
        try:
            decode_hostile(cls, version, damaged)
        except Exception as error:
            return f"{vector['name']} v{version}: {type(error).__name__}: {error} from {damaged.hex()}"
    return None
