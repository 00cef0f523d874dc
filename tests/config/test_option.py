"""Reading, checking and writing the texts of options."""

from __future__ import annotations

from typing import Any

import pytest

from kwire.config import option as types
from kwire.config.forms import OFFSET_RESET, PROTOCOL_VERSION, THROTTLED_REPLICAS
from kwire.config.option import ConfigError, OneOf, Option, Range, java_double_text, nearest, value_text


def row(kind: int, valid: types.Valid | None = None) -> Option:
    return Option("an.option", kind, None, valid, types.LOW, types.READ_ONLY, "")


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (types.BOOLEAN, " TRUE ", True),
        (types.BOOLEAN, "false", False),
        (types.STRING, " a b ", "a b"),
        (types.PASSWORD, " a b ", " a b "),
        (types.INT, " +7 ", 7),
        (types.INT, "-2147483648", -(2**31)),
        (types.SHORT, "32767", 32767),
        (types.LONG, "9223372036854775807", 2**63 - 1),
        (types.DOUBLE, "1.7976931348623157E308", 1.7976931348623157e308),
        (types.DOUBLE, ".5f", 0.5),
        (types.LIST, "", []),
        (types.LIST, "a , b,,c", ["a", "b", "", "c"]),
        (types.CLASS, "a.B", "a.B"),
    ],
)
def test_a_text_is_read_by_its_type(kind: int, text: str, value: Any) -> None:
    assert row(kind).parse(text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (types.BOOLEAN, "yes"),
        (types.BOOLEAN, ""),
        (types.INT, "1_000"),
        (types.INT, "1.0"),
        (types.INT, ""),
        (types.INT, "+"),
        (types.INT, "２"),
        (types.INT, "2147483648"),
        (types.SHORT, "32768"),
        (types.LONG, "-9223372036854775809"),
        (types.DOUBLE, "1_0.0"),
        (types.DOUBLE, "half"),
    ],
)
def test_a_text_of_another_type_is_refused_with_what_is_accepted(kind: int, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        row(kind).parse(text)
    assert caught.value.option == "an.option"
    assert caught.value.message == f"an.option: {text!r} is not accepted; it takes {row(kind).accepted()}"


def test_bounds_and_words() -> None:
    level = row(types.INT, Range(1, 9, -1))
    assert [level.parse(text) for text in ("1", "9", "-1")] == [1, 9, -1]
    for text in ("0", "10", "-2"):
        with pytest.raises(ConfigError, match="an integer of 32 bits, 1 to 9, or -1"):
            level.parse(text)
    policy = row(types.LIST, OneOf(("compact", "delete")))
    assert policy.parse("compact,delete") == ["compact", "delete"]
    with pytest.raises(ConfigError, match="one of compact, delete"):
        policy.parse("compact,remove")
    assert row(types.STRING, OneOf(("UPGRADE",), True)).parse("upgrade") == "upgrade"


def test_a_secret_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        row(types.PASSWORD, OneOf(("x",))).parse("hunter2")
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        (THROTTLED_REPLICAS, [[], [""], ["*"], ["0:1", "1:2"]], [["0"], ["a:1"]]),
        (
            OFFSET_RESET,
            ["latest", "earliest", "by_duration:PT1H30M", "by_duration:P2D"],
            ["none", "by_duration:P", "by_duration:PT"],
        ),
        (PROTOCOL_VERSION, ["3.9-IV0", "3.9", "3.9.1", "0.10.2", "0.8.2"], ["5.0", "3.9-IV7", "x"]),
    ],
)
def test_forms(form: types.Valid, good: list[Any], bad: list[Any]) -> None:
    assert [value for value in good if not form.accepts(value)] == []
    assert [value for value in bad if form.accepts(value)] == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.5"),
        (0.0, "0.0"),
        (2147483647.0, "2.147483647E9"),
        (1.7976931348623157e308, "1.7976931348623157E308"),
        (10000000.0, "1.0E7"),
        (9999999.0, "9999999.0"),
        (0.001, "0.001"),
        (0.0001, "1.0E-4"),
        (1e22, "1.0E22"),
        (-1.5e-7, "-1.5E-7"),
        (float("inf"), "Infinity"),
        (float("nan"), "NaN"),
    ],
)
def test_a_double_is_written_as_java_does(value: float, text: str) -> None:
    assert java_double_text(value) == text


def test_values_are_written_as_kafka_does() -> None:
    assert value_text(types.BOOLEAN, True) == "true"
    assert value_text(types.LIST, ["a", "b"]) == "a,b"
    assert value_text(types.LONG, 2**63 - 1) == "9223372036854775807"
    assert value_text(types.STRING, None) is None


def test_nearest_names() -> None:
    assert nearest("log.retention.hour", ["log.retention.hours", "listeners"]) == " (did you mean log.retention.hours?)"
    assert nearest("zzz", ["listeners"]) == ""
