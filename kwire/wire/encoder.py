"""Writes the source of the encode function of one class in one version.

The function takes `(o, w, cuts)`: `w` collects pieces of bytes (it is a list's `append`), and a `records` field is
passed to `cuts`, which keeps it apart, uncopied. Runs of fixed-size fields are one `pack`; where a structure without
tagged fields ends, its zero tag count is a padding byte of the last run.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct, pack
from typing import Any

from kwire.wire import primitives
from kwire.wire.model import FIXED, Field, model_of

_MAX_SHAPES = 256
Encoder = Callable[[Any, Callable[[bytes], None], Callable[[Any], None]], None]


def compile_encoder(cls: type, version: int, flexible: bool) -> Encoder:
    """The encode function."""
    writer = _EncodeWriter(version, flexible)
    main = writer.function_for(cls)
    source = "\n".join(line for function in writer.functions for line in function)
    exec(compile(source, f"<encode {cls.__name__} v{version}>", "exec"), writer.names)
    encoder: Encoder = writer.names[main]
    return encoder


class _EncodeWriter:
    """Source lines, the names they use, and the run of fixed-size fields that is not yet written."""

    def __init__(self, version: int, flexible: bool) -> None:
        self.version = version
        self.flexible = flexible
        self.names: dict[str, Any] = {}
        self.functions: list[list[str]] = []
        self.done: dict[type, str] = {}
        self.lines: list[str] = []
        self.pad = " "
        self.values: list[str] = []
        self.codes: list[str | tuple[str, bool]] = []
        self.depth = 0

    def put(self, line: str) -> None:
        self.lines.append(self.pad + line)

    def use(self, value: Any, name: str) -> str:
        """Give `value` a name in the generated module."""
        if self.names.setdefault(name, value) is not value:
            name = f"{name}_{len(self.names)}"
            self.names[name] = value
        return name

    def primitive(self, name: str) -> str:
        return self.use(getattr(primitives, name), name)

    def use_struct(self, codes: str) -> str:
        """The name of the `pack` of a struct."""
        name = "pack_" + codes.replace("?", "t")
        if name not in self.names:
            self.names[name] = Struct(">" + codes).pack
        return name

    def flush(self) -> None:
        """Write the run."""
        if not self.codes:
            return
        arrays = [f"len({value[1:]})" for value in self.values if value[0] == "*"]
        values = ", ".join(self.values)
        if arrays:
            shapes = self.use(_Shapes(tuple(self.codes)), f"shapes_{len(self.names)}")
            self.put(f"w({shapes}[{', '.join(arrays)},]({values}))")
        elif values:
            codes = "".join(map(str, self.codes))
            pack = self.use_struct(codes)
            self.put(f"w({pack}({values}))")
        else:
            self.put(f"w({bytes(len(self.codes))!r})")
        self.values.clear()
        self.codes.clear()

    def function_for(self, cls: type) -> str:
        """The name of the function that encodes `cls`, written at the first call."""
        if cls not in self.done:
            self.done[cls] = name = f"e{len(self.done)}"
            saved = self.lines, self.pad, self.depth, self.values, self.codes
            self.lines, self.pad, self.depth, self.values, self.codes = [f"def {name}(o, w, cuts):"], " ", 0, [], []
            self.structure(cls, "o")
            self.flush()
            if len(self.lines) == 1:
                self.put("pass")
            self.functions.append(self.lines)
            self.lines, self.pad, self.depth, self.values, self.codes = saved
        return self.done[cls]

    def structure(self, cls: type, var: str) -> None:
        """Encode the structure in `var`; its last run stays open."""
        fields = model_of(cls).fields
        self.refuse_absent(cls, fields, var)
        present = [field for field in fields if field.present(self.version)]
        untagged = [field for field in present if field.tag is None]
        tagged = [field for field in present if field.tag is not None]
        count = self.rarely_set(untagged) if self.depth else 0
        for field in untagged[: len(untagged) - count]:
            self.field(field, f"{var}.{field.name}")
        if count and self.codes:
            self.tail(untagged[-count:], var, ends=not tagged)
        else:
            for field in untagged[len(untagged) - count :]:
                self.field(field, f"{var}.{field.name}")
            if self.flexible and not tagged:
                self.codes.append("x")
        if tagged:
            self.flush()
            self.put(f"w({self.tag_function(cls, tagged)}({var}))")

    def rarely_set(self, fields: list[Field]) -> int:
        """How many fields at the end are nullable strings or arrays of structures, which elements mostly have empty."""
        count = 0
        for field in reversed(fields):
            if not field.is_flexible(self.version, self.flexible):
                break
            if field.is_nullable(self.version) != (field.type == "String" and not field.array):
                break
            if field.type != "String" and not (field.array and field.struct):
                break
            count += 1
        return count

    def tail(self, fields: list[Field], var: str, *, ends: bool) -> None:
        """Fields that are mostly empty: if all are, one byte each, in the run before them."""
        targets = [f"{var}.{field.name}" for field in fields]
        is_set = [
            f"{target} != []" if field.array else f"{target} is not None"
            for target, field in zip(targets, fields, strict=True)
        ]
        values, codes = list(self.values), list(self.codes)
        self.put(f"if {' or '.join(is_set)}:")
        self.pad += " "
        for field, target in zip(fields, targets, strict=True):
            self.field(field, target)
        self.codes += ["x"] * ends
        self.flush()
        self.pad = self.pad[:-1]
        self.put("else:")
        self.pad += " "
        self.values = values + ["1" for field in fields if field.array]
        self.codes = [*codes, *("B" if field.array else "x" for field in fields), *["x"] * ends]
        self.flush()
        self.pad = self.pad[:-1]

    def refuse_absent(self, cls: type, fields: list[Field], var: str) -> None:
        """A value in a field that the version lacks would be lost: raise, unless that was declared harmless."""
        absent = [field for field in fields if not field.present(self.version) and not field.ignorable]
        if not absent:
            return
        check = " or ".join(f"({self.differs(field, var)})" for field in absent)
        names = self.use(tuple(absent), f"absent_{cls.__name__}")
        self.put(f"if {check}: {self.use(_lacks, 'lacks')}({var}, {names}, {self.version})")

    def differs(self, field: Field, var: str) -> str:
        """An expression: the field does not have its default."""
        target = f"{var}.{field.name}"
        if field.factory is list:
            return f"{target} != []" if field.nullable != (1, 0) else target
        if field.factory:
            # Reading a structure that was never set would make one; only what was set can differ.
            default = self.use(field.make_default(), f"default_{field.name}")
            return f"(x := {var}.__dict__.get({field.name!r}, {default})) is not {default} and x != {default}"
        if field.default is None:
            return f"{target} is not None"
        if field.default is False:
            return target
        return f"{target} != {self.use(field.default, 'ZERO_UUID') if field.type == 'Uuid' else repr(field.default)}"

    def tag_function(self, cls: type, fields: list[Field]) -> str:
        """The function that encodes the tagged fields of an object."""
        name = f"tags_{cls.__name__}"
        if name in self.names:
            return name
        self.names[name] = None
        saved = self.lines, self.pad, self.depth, self.values, self.codes
        self.lines, self.pad, self.depth, self.values, self.codes = [f"def {name}(o):"], " ", 0, [], []
        self.put("tagged = []; cuts = None")
        for field in sorted(fields, key=lambda field: field.tag or 0):
            self.put(f"if {self.differs(field, 'o')}:")
            self.pad += " "
            self.put("parts = []; w = parts.append")
            self.field(field, f"o.{field.name}")
            self.flush()
            self.put(f"tagged.append(({field.tag}, b''.join(parts)))")
            self.pad = self.pad[:-1]
        self.put(f"return {self.primitive('tags')}(tagged) if tagged else b'\\0'")
        self.functions.append(self.lines)
        self.lines, self.pad, self.depth, self.values, self.codes = saved
        return name

    def field(self, field: Field, target: str) -> None:
        compact = field.is_flexible(self.version, self.flexible)
        nullable = field.is_nullable(self.version)
        if field.array:
            self.array(field, target, compact, nullable)
        elif field.struct:
            self.struct_field(field.struct, target, field.tag is not None, nullable)
        elif field.type in FIXED:
            self.values.append(target)
            self.codes.append(FIXED[field.type][0])
        elif field.type == "Records":
            self.flush()
            prefix = self.primitive("compact_records_prefix" if compact else "records_prefix")
            self.put(f"w({prefix}({target})); cuts({target})")
        else:
            self.flush()
            kind = _kind(field, compact, nullable)
            if kind == "compact_nullable_string":
                self.put(f"w(b'\\0' if (x := {target}) is None else {self.primitive('compact_string')}(x))")
            else:
                self.put(f"w({self.primitive(kind)}({target}))")

    def struct_field(self, cls: type, target: str, tagged: bool, nullable: bool) -> None:
        self.flush()
        var = f"s{self.depth}"
        self.put(f"{var} = {target}")
        if nullable:
            null = b"\0" if tagged else b"\xff"
            self.put(f"if {var} is None: w({null!r})")
            self.put("else:")
            self.pad += " "
            self.put("w(b'\\x01')")
        self.put(f"{self.function_for(cls)}({var}, w, cuts)")
        if nullable:
            self.pad = self.pad[:-1]

    def array(self, field: Field, target: str, compact: bool, nullable: bool) -> None:
        if field.type in FIXED and field.type != "Uuid" and not nullable:
            self.numbers(target, FIXED[field.type][0], compact)
            return
        self.depth += 1
        array = f"a{self.depth}"
        null = b"\0" if compact else b"\xff\xff\xff\xff"
        if nullable:
            self.flush()
            self.put(f"{array} = {target}")
            self.put(f"if {array} is None: w({null!r})")
            self.put("else:")
            self.pad += " "
        else:
            self.put(f"{array} = {target}")
        if compact:
            self.flush()
            self.put(f"w({self.primitive('UVARINTS')}[len({array}) + 1])")
        else:
            self.values.append(f"len({array})")
            self.codes.append("i")
            self.flush()
        self.elements(field, array, compact)
        if nullable:
            self.pad = self.pad[:-1]
        self.depth -= 1

    def numbers(self, target: str, code: str, compact: bool) -> None:
        """An array of numbers joins the run: its count, then the elements, in the same `pack`."""
        array = f"v{len(self.values)}"
        self.put(f"{array} = {target}")
        if compact:
            self.values += (f"len({array}) + 1", f"*{array}")
        else:
            self.values += (f"len({array})", f"*{array}")
        self.codes.append((code, compact))

    def elements(self, field: Field, array: str, compact: bool) -> None:
        if field.type in FIXED and field.type != "Uuid":
            self.put(f"w({self.primitive('numbers')}({array}, {FIXED[field.type][0]!r}))")
            return
        var = f"o{self.depth}"
        self.put(f"for {var} in {array}:")
        self.pad += " "
        before = len(self.lines)
        if field.struct is None:
            if field.type == "Uuid":
                self.values.append(var)
                self.codes.append("16s")
            else:
                self.put(f"w({self.primitive(_kind(field, compact, False))}({var}))")
        elif field.struct in self.done:
            self.put(f"{self.done[field.struct]}({var}, w, cuts)")
        else:
            self.structure(field.struct, var)
        self.flush()
        if len(self.lines) == before:
            self.put("pass")
        self.pad = self.pad[:-1]


class _Shapes(dict[tuple[int, ...], Callable[..., bytes]]):
    """The `pack` of a run with arrays of numbers in it, by the arrays' lengths: real data has few combinations."""

    __slots__ = ("codes",)

    def __init__(self, codes: tuple[str | tuple[str, bool], ...]) -> None:
        self.codes = codes

    def __missing__(self, lengths: tuple[int, ...]) -> Callable[..., bytes]:
        if len(self) >= _MAX_SHAPES:
            self.clear()
        rest = iter(lengths)
        text = ">"
        for item in self.codes:
            if isinstance(item, str):
                text += item
            else:
                length = next(rest)
                if item[1] and length > 126:
                    # A count of two bytes or more is no struct code; such arrays are rare and slow anyway.
                    return self.pack_apart
                text += f"{'B' if item[1] else 'i'}{length}{item[0]}"
        shape = self[lengths] = Struct(text).pack
        return shape

    def pack_apart(self, *values: Any) -> bytes:
        """What `pack` does, one field after another."""
        pieces = []
        position = 0
        for item in self.codes:
            if item == "x":
                pieces.append(b"\0")
                continue
            value = values[position]
            position += 1
            if isinstance(item, str):
                pieces.append(pack(">" + item, value))
                continue
            code, compact = item
            length = value - 1 if compact else value
            pieces.append(primitives.uvarint(value) if compact else pack(">i", value))
            pieces.append(pack(f">{length}{code}", *values[position : position + length]))
            position += length
        return b"".join(pieces)


def _kind(field: Field, compact: bool, nullable: bool) -> str:
    name = ("compact_" if compact else "") + ("nullable_" if nullable else "") + field.type.lower()
    return "raw_bytes" if name == "bytes" else name


def _lacks(obj: Any, fields: tuple[Field, ...], version: int) -> None:
    for field in fields:
        value = getattr(obj, field.name)
        if value != field.make_default():
            raise primitives.EncodeError(
                f"{type(obj).__name__}.{field.name} is {value!r}, but version {version} has no such field"
            )
