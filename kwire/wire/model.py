"""What a declared class says, worked out once: types, ranges, defaults, and the constructor.

Defaults live on the class: an object holds only what was set, and reading anything else finds the default there. Lists
and structs are made fresh for each object that is asked for one, so nobody shares a mutable default.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from kwire.wire.schema import Ranges, WireField

FIXED: dict[str, tuple[str, int]] = {
    "Bool": ("?", 1),
    "Int8": ("b", 1),
    "Int16": ("h", 2),
    "UInt16": ("H", 2),
    "Int32": ("i", 4),
    "UInt32": ("I", 4),
    "Int64": ("q", 8),
    "Float64": ("d", 8),
    "Uuid": ("16s", 16),
}
"""Types of a fixed size: struct code and bytes."""

ZEROS: dict[str, object] = dict.fromkeys(FIXED, 0) | {
    "Bool": False,
    "Float64": 0.0,
    "Uuid": bytes(16),
    "String": "",
    "Bytes": b"",
    "Records": None,
}
_OPEN = 0x7FFF

Range = tuple[int, int]


def parse_range(text: str) -> Range:
    """ "3" is (3, 3), "3-5" (3, 5), "3+" (3, 32767), "none" an empty range; ValueError for anything else."""
    if text == "none":
        return 1, 0
    if text.endswith("+"):
        return int(text[:-1]), _OPEN
    low, _, high = text.partition("-")
    return int(low), int(high or low)


class Field:
    """One field: its type is `type` (a name of FIXED, "String", "Bytes", "Records") or the class `struct`."""

    __slots__ = (
        "array",
        "default",
        "factory",
        "flexible",
        "ignorable",
        "json_name",
        "name",
        "nullable",
        "struct",
        "tag",
        "type",
        "versions",
    )

    def __init__(self, cls: type, name: str, annotation: str, said: WireField) -> None:
        optional = annotation.endswith(" | None")
        if optional:
            annotation = annotation[:-7]
        self.array = annotation.startswith("list[")
        self.type = annotation[5:-1] if self.array else annotation
        self.struct: type | None = None
        if self.type not in ZEROS:
            self.struct = getattr(sys.modules[cls.__module__], self.type)
        self.name = name
        self.json_name = said.name or _camel(name)
        self.versions = parse_range(said.versions)
        self.nullable = parse_range(said.nullable or ("0+" if optional else "none"))
        self.flexible = None if said.flexible is None else parse_range(said.flexible)
        self.tag = said.tag
        self.ignorable = said.ignorable
        self.factory: Callable[[], object] | None = said.factory
        if said.default is not ...:
            self.default = said.default
        elif self.array or self.struct:
            self.default = None
            self.factory = self.factory or (list if self.array else self.struct)
        else:
            self.default = ZEROS[self.type]

    def present(self, version: int) -> bool:
        """Whether the field exists in the version."""
        return self.versions[0] <= version <= self.versions[1]

    def is_nullable(self, version: int) -> bool:
        """Whether the field may be null in the version."""
        return self.nullable[0] <= version <= self.nullable[1]

    def is_flexible(self, version: int, flexible: bool) -> bool:
        """Whether the field has its compact form in the version, whose message is `flexible` or not."""
        return flexible if self.flexible is None else self.flexible[0] <= version <= self.flexible[1]

    def make_default(self) -> object:
        """The default; a fresh one each time where it is mutable."""
        return self.factory() if self.factory else self.default


class Model:
    """The fields of a class in wire order, and for a message its ranges."""

    __slots__ = ("cls", "fields", "flexible", "key", "names", "prefix", "valid")

    def __init__(self, cls: type) -> None:
        ranges: Ranges | None = cls.__dict__.get("__wire__")
        self.cls = cls
        self.valid = parse_range(ranges.valid) if ranges else (0, _OPEN)
        self.flexible = parse_range(ranges.flexible) if ranges else (1, 0)
        self.key = ranges.key if ranges else None
        self.prefix = ranges.prefix if ranges else None
        said = cls.__dict__
        plain = WireField()
        self.fields = [Field(cls, name, text, said.get(name, plain)) for name, text in cls.__annotations__.items()]
        self.names = tuple(field.name for field in self.fields)

    def is_flexible(self, version: int) -> bool:
        """Whether the version of this message is flexible (KIP-482)."""
        return self.flexible[0] <= version <= self.flexible[1]


class _Fresh:
    """A default that must not be shared: made when first read, and from then on the object's own."""

    __slots__ = ("factory", "name")

    def __init__(self, name: str, factory: Callable[[], object]) -> None:
        self.name = name
        self.factory = factory

    def __get__(self, instance: object, owner: type) -> object:
        if instance is None:
            return self
        value = instance.__dict__[self.name] = self.factory()
        return value


_MODELS: dict[type, Model] = {}


def model_of(cls: type) -> Model:
    """The model of a declared class; TypeError for any other class."""
    model = _MODELS.get(cls)
    if model is None:
        if "__init__" not in cls.__dict__:
            raise TypeError(f"{cls.__name__} is not declared with @message or @struct")
        model = _MODELS[cls] = Model(cls)
        for field in model.fields:
            setattr(cls, field.name, _Fresh(field.name, field.factory) if field.factory else field.default)
        cls.__init__ = _constructor(model.fields)  # type: ignore[misc]  # the first real constructor of the class
    return model


def _constructor(fields: list[Field]) -> Any:
    """An `__init__` that sets every field but the structures left out, which `_Fresh` makes when they are read."""
    names: dict[str, object] = {"UNSET": _Fresh}
    parameters = []
    body = []
    for field in fields:
        name = field.name
        if field.factory is None:
            names[f"D_{name}"] = field.default
            parameters.append(f"{name}=D_{name}")
            body.append(f" self.{name} = {name}")
        else:
            parameters.append(f"{name}=UNSET")
            absent = f"self.{name} = []" if field.factory is list else "pass"
            body.append(f" if {name} is not UNSET: self.{name} = {name}\n else: {absent}")
    star = ", *, " if parameters else ""
    source = f"def __init__(self{star}{', '.join(parameters)}):\n" + ("\n".join(body) or " pass")
    exec(compile(source, "<message constructor>", "exec"), names)
    return names["__init__"]


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)
