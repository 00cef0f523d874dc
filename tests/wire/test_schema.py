from __future__ import annotations

import subprocess
import sys

import pytest

from kwire.ids import ZERO_UUID
from kwire.wire.codec import DecodeError, EncodeError, decode, encode
from kwire.wire.schema import (
    Bool,
    Bytes,
    Float64,
    Int8,
    Int16,
    Int32,
    Int64,
    String,
    UInt16,
    UInt32,
    Uuid,
    message,
    struct,
    wire,
)


@struct
class Point:
    x: Int32
    y: Int32 = wire(default=-1)


@message(key=900, valid="0-3", flexible="2+")
class Sample:
    """One field of every kind."""

    flag: Bool
    tiny: Int8
    small: Int16
    port: UInt16
    number: Int32
    crc: UInt32
    big: Int64
    ratio: Float64
    id: Uuid
    name: String
    maybe: String | None = wire(nullable="1+", default="")
    blob: Bytes | None
    numbers: list[Int32]
    ids: list[Uuid]
    names: list[String] | None
    points: list[Point]
    place: Point | None = wire("1+", default=None)
    later: Int32 = wire("1+", default=7)
    harmless: Int32 = wire("1+", default=7, ignorable=True)
    extra: list[Int16] = wire("2+", tag=3, factory=list)
    spot: Point = wire("2+", tag=5, factory=Point)
    isCamel: Int8 = wire("3+", default=0, name="isCAMEL")  # noqa: N815


def sample(**changes: object) -> Sample:
    values: dict[str, object] = {
        "flag": True,
        "tiny": -1,
        "small": -2,
        "port": 0xFFFE,
        "number": -3,
        "crc": 0xFFFFFFFD,
        "big": -(1 << 63),
        "ratio": 0.5,
        "id": bytes(range(16)),
        "name": "ä",
        "blob": b"b",
        "numbers": [1, -1],
        "ids": [ZERO_UUID],
        "names": ["", "n"],
        "points": [Point(x=1), Point(x=2, y=3)],
    }
    return Sample(**(values | changes))  # type: ignore[arg-type]  # checked by the constructor at run time


FIXED_PART = "01 ff fffe fffe fffffffd fffffffd 8000000000000000 3fe0000000000000 000102030405060708090a0b0c0d0e0f"


def test_every_kind_of_field_in_the_old_form() -> None:
    expected = bytes.fromhex(
        FIXED_PART
        + "0002c3a4 0000 00000001 62 00000002 00000001 ffffffff 00000001"
        + "00" * 16
        + "00000002 0000 0001 6e"
        "00000002 00000001 ffffffff 00000002 00000003"
    )
    assert encode(sample(), 0) == expected
    assert decode(Sample, 0, expected) == sample()


def test_every_kind_of_field_in_the_flexible_form() -> None:
    value = sample(maybe=None, names=None, place=Point(x=9), later=8, extra=[5], spot=Point(x=0, y=0))
    expected = bytes.fromhex(
        FIXED_PART
        + "03c3a4 00 0262 03 00000001 ffffffff 02"
        + "00" * 16
        + "00 03 00000001 ffffffff 00 00000002 00000003 00"
        "01 00000009 ffffffff 00 00000008 00000007"
        "02 03 03 02 0005 05 09 00000000 00000000 00"
    )
    assert encode(value, 2) == expected
    assert decode(Sample, 2, expected) == value


def test_fields_left_out_have_their_defaults_and_nobody_shares_them() -> None:
    one, two = Sample(), Sample()  # type: ignore[call-arg]  # required for the type checker only
    assert (one.flag, one.port, one.id, one.name, one.blob, one.names, one.place) == (
        False,
        0,
        ZERO_UUID,
        "",
        b"",
        [],
        None,
    )
    one.numbers.append(1)
    one.spot.x = 4
    assert two.numbers == []
    assert two.spot == Point(x=0)
    assert one != two


def test_objects_compare_and_print_by_their_fields() -> None:
    assert Point(x=1, y=2) == Point(x=1, y=2)
    assert Point(x=1, y=2) != Point(x=1)
    other: object = "Point"
    assert Point(x=1) != other
    assert repr(Point(x=1)) == "Point(x=1, y=-1)"
    with pytest.raises(TypeError, match="unhashable"):
        hash(Point(x=1))


def test_constructors_take_keywords_that_exist() -> None:
    with pytest.raises(TypeError, match="z"):
        Point(x=1, z=2)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Point(1)  # type: ignore[call-arg]


def test_a_value_that_the_version_cannot_hold_is_refused_unless_it_is_ignorable() -> None:
    assert encode(sample(harmless=8), 0) == encode(sample(), 0)
    for changes in ({"later": 8}, {"place": Point(x=1)}, {"extra": [1]}, {"spot": Point(x=1)}):
        with pytest.raises(EncodeError, match=f"{next(iter(changes))}.* version 0"):
            encode(sample(**changes), 0)
    assert encode(sample(spot=Point(x=0)), 0) == encode(sample(), 0)


def test_null_is_refused_where_the_version_does_not_allow_it() -> None:
    for changes in ({"maybe": None}, {"name": None}, {"numbers": None}, {"points": None}, {"points": [None]}):
        with pytest.raises(EncodeError):
            encode(sample(**changes), 0)


def test_values_out_of_range_are_refused() -> None:
    for changes in (
        {"tiny": 128},
        {"port": -1},
        {"crc": 1 << 32},
        {"numbers": [1 << 31]},
        {"name": "x" * 32768},
        {"name": "\ud800"},
        {"name": b"bytes"},
        {"blob": 5},
        {"flag": True, "big": "1"},
    ):
        for version in (0, 2):
            with pytest.raises(EncodeError):
                encode(sample(**changes), version)


def test_versions_outside_the_valid_range_are_refused() -> None:
    with pytest.raises(DecodeError, match="versions 0 to 3, not 4"):
        decode(Sample, 4, b"")
    with pytest.raises(EncodeError, match="versions 0 to 3, not -1"):
        encode(sample(), -1)


def test_a_class_that_was_not_declared_is_refused() -> None:
    with pytest.raises(TypeError, match="not declared"):
        decode(int, 0, b"")


def test_importing_messages_compiles_nothing() -> None:
    program = (
        "import os, kwire.wire.messages as m; from importlib import import_module\n"
        "names = [name[:-3] for name in os.listdir(m.__path__[0]) if name.endswith('.py')]\n"
        "for name in names: import_module(f'{m.__name__}.{name}')\n"
        "from kwire.wire import codec, model\n"
        "assert len(names) > 90 and not model._MODELS and not codec._decoders and not codec._encoders\n"
        "import sys; assert 'dataclasses' not in sys.modules and 'inspect' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
