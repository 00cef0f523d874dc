"""The language in which messages are declared.

    @message(key=1, valid="0-18", flexible="12+")
    class FetchRequest:
        replica_id: Int32 = wire("0-14", default=-1)
        max_wait_ms: Int32
        topics: list[FetchTopic]

One class serves all versions. A field's type is its annotation: one of the names below, a `@struct` class of the same
module, `list[...]` of either, `... | None` where some version allows null. Type checkers see ordinary classes whose
constructors take keywords; a field without a default is required there, and is its type's zero when it is left out all
the same.

Declaring costs almost nothing (a broker imports dozens of these modules while it starts): the decorators only hang
three functions and the ranges on the class. Annotations are looked at when an object is first made or the codec first
needs the class (`model`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform

from kwire.wire.primitives import Records as Records

Bool = bool
Int8 = int
Int16 = int
UInt16 = int
Int32 = int
UInt32 = int
Int64 = int
Float64 = float
String = str
Bytes = bytes
Uuid = bytes
"""16 raw bytes."""

T = TypeVar("T")


class WireField:
    """What `wire` says about a field; `default` is `...` where nothing was said."""

    # No NamedTuple: defining one costs as much as importing a whole message module.
    __slots__ = ("default", "factory", "flexible", "ignorable", "name", "nullable", "tag", "versions")

    def __init__(
        self,
        versions: str = "0+",
        tag: int | None = None,
        nullable: str | None = None,
        default: object = ...,
        factory: Callable[..., object] | None = None,
        ignorable: bool = False,
        flexible: str | None = None,
        name: str | None = None,
    ) -> None:
        self.versions = versions
        self.tag = tag
        self.nullable = nullable
        self.default = default
        self.factory = factory
        self.ignorable = ignorable
        self.flexible = flexible
        self.name = name


def wire(
    versions: str = "0+",
    *,
    tag: int | None = None,
    nullable: str | None = None,
    default: object = ...,
    factory: Callable[..., object] | None = None,
    ignorable: bool = False,
    flexible: str | None = None,
    name: str | None = None,
) -> Any:
    """Describe one field.

    `versions`, `nullable` and `flexible` are ranges: "3", "3-5", "3+" or "none". `tag` makes it a tagged field
    (KIP-482). `nullable` defaults to all versions where the annotation has `| None`. `factory` makes a fresh default
    for lists and structs. `ignorable`: a value may be dropped silently where the version lacks the field. `flexible` is
    for the one field that keeps its old form in a flexible version (RequestHeader's client id). `name` is Kafka's JSON
    name where it is not the camel case of ours.
    """
    return WireField(versions, tag, nullable, default, factory, ignorable, flexible, name)


class Ranges:
    """What `message` says about a class; `key` is the API key, or the record type of a coordinator's key."""

    __slots__ = ("flexible", "key", "prefix", "valid")

    def __init__(self, valid: str, flexible: str, key: int | None, prefix: str | None) -> None:
        self.valid = valid
        self.flexible = flexible
        self.key = key
        self.prefix = prefix


@dataclass_transform(kw_only_default=True, field_specifiers=(wire,))
def message(
    *, valid: str, flexible: str = "none", key: int | None = None, prefix: str | None = None
) -> Callable[[type[T]], type[T]]:
    """Declare a message: a request, a response, a header, or a record of an internal topic.

    `prefix` names the int16 that precedes the body where Kafka stores it: "record_type" (`key`) or "version".
    """
    ranges = Ranges(valid, flexible, key, prefix)

    def declare(cls: type[T]) -> type[T]:
        cls.__wire__ = ranges  # type: ignore[attr-defined]  # the class is open here and nowhere else
        return struct(cls)

    return declare


@dataclass_transform(kw_only_default=True, field_specifiers=(wire,))
def struct(cls: type[T]) -> type[T]:
    """Declare a structure inside messages; its versions are those of the message around it."""
    cls.__init__ = _first_init  # type: ignore[method-assign]  # replaced by `model` at the first call
    cls.__eq__ = _equal  # type: ignore[method-assign]  # by fields
    cls.__hash__ = None  # type: ignore[assignment]  # mutable and equal by value
    cls.__repr__ = _text  # type: ignore[method-assign]  # by fields
    return cls


def _first_init(self: object, **values: object) -> None:
    from kwire.wire.model import model_of

    model_of(type(self))
    type(self).__init__(self, **values)  # the real constructor is in place now


def _equal(self: Any, other: object) -> Any:
    from kwire.wire.model import model_of

    if type(other) is not type(self):
        return NotImplemented
    return all(getattr(self, name) == getattr(other, name) for name in model_of(type(self)).names)


def _text(self: Any) -> str:
    from kwire.wire.model import model_of

    fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in model_of(type(self)).names)
    return f"{type(self).__name__}({fields})"
