"""The quick `NamedTuple` is the standard one in all that is seen of it."""

from __future__ import annotations

import copy
import pickle
import typing

import pytest

from kwire import named_tuple


class Quick(named_tuple.NamedTuple):
    """Two fields and one with a default."""

    first: int
    second: str
    third: float = 0.5
    """What is said of a field stays a comment."""

    @property
    def both(self) -> str:
        return f"{self.first}{self.second}"


class Standard(typing.NamedTuple):
    first: int
    second: str
    third: float = 0.5


@pytest.mark.parametrize("kind", [Quick, Standard])
def test_fields_defaults_and_equality(kind: type[Standard]) -> None:
    value = kind(1, second="b")
    assert (value.first, value.second, value.third) == value == (1, "b", 0.5) == kind._make((1, "b", 0.5))
    assert kind(1, "b", 2.0) == kind(third=2.0, second="b", first=1) != value
    assert value._replace(second="c") == (1, "c", 0.5)
    assert value._asdict() == {"first": 1, "second": "b", "third": 0.5}
    assert (kind._fields, kind._field_defaults) == (("first", "second", "third"), {"third": 0.5})
    assert repr(value) == f"{kind.__name__}(first=1, second='b', third=0.5)"
    assert hash(value) == hash((1, "b", 0.5))
    first, *rest = value
    assert (first, rest) == (1, ["b", 0.5])
    with pytest.raises(AttributeError):
        value.first = 2  # type: ignore[misc]  # that is the point
    with pytest.raises(AttributeError):
        value.fourth = 2  # type: ignore[attr-defined]  # no instance dictionary either


@pytest.mark.parametrize("kind", [Quick, Standard])
def test_copies_keep_the_class(kind: type[Standard]) -> None:
    value = kind(1, "b")
    for again in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert again == value
        assert type(again) is kind


@pytest.mark.parametrize("kind", [Quick, Standard])
def test_wrong_arguments(kind: typing.Any) -> None:
    for make in (
        lambda: kind(),
        lambda: kind(1),
        lambda: kind(1, "b", 2.0, 3),
        lambda: kind(1, "b", first=1),
        lambda: kind(1, "b", fourth=1),
        lambda: kind._make((1,)),
        lambda: kind(1, "b")._replace(fourth=1),
    ):
        with pytest.raises((TypeError, ValueError)):
            make()


def test_patterns_and_methods() -> None:
    match Quick(1, "b"):
        case Quick(first, second, third):
            assert (first, second, third) == (1, "b", 0.5)
        case _:
            pytest.fail("no match by position")
    assert Quick(1, "b").both == "1b"
