"""Writes the source of the decode function of one class in one version.

The function takes `(data, view, p, end)` and returns `(object, position after it)`. `data` is what scalars are read
from, `view` a memoryview of the same bytes that `records` fields are sliced from. A run of fixed-size fields is one
`unpack_from`; the tag count of a flexible structure, nearly always 0, is the last byte of such a run.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Any

from kwire.wire import primitives
from kwire.wire.model import FIXED, Field, model_of

Decoder = Callable[[Any, memoryview, int, int], tuple[Any, int]]


def compile_decoder(cls: type, version: int, flexible: bool) -> tuple[Decoder, bool]:
    """The decode function, and whether any field of it is `records`."""
    writer = _DecodeWriter(version, flexible)
    main = writer.function_for(cls)
    source = "\n".join(line for function in writer.functions for line in function)
    exec(compile(source, f"<decode {cls.__name__} v{version}>", "exec"), writer.names)
    return writer.names[main], writer.has_records


def least_size(cls: type, version: int, flexible: bool) -> int:
    """The least number of bytes that a structure takes."""
    size = 1 if flexible else 0
    for field in model_of(cls).fields:
        if field.tag is None and field.present(version):
            size += _least_field_size(field, version, flexible)
    return size


def _least_field_size(field: Field, version: int, flexible: bool) -> int:
    compact = field.is_flexible(version, flexible)
    if field.array:
        return 1 if compact else 4
    if field.struct:
        return 1 if field.is_nullable(version) else least_size(field.struct, version, flexible)
    if field.type in FIXED:
        return FIXED[field.type][1]
    return 1 if compact else 2 if field.type == "String" else 4


class _DecodeWriter:
    """Source lines, the names they use, and the run of fixed-size fields that is not yet written."""

    def __init__(self, version: int, flexible: bool) -> None:
        self.version = version
        self.flexible = flexible
        self.names: dict[str, Any] = {"new": object.__new__}
        self.functions: list[list[str]] = []
        self.done: dict[type, str] = {}
        self.has_records = False
        self.lines: list[str] = []
        self.pad = " "
        self.end = "end"
        self.targets: list[str] = []
        self.codes: list[str] = []
        self.size = 0
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

    def take(self, target: str, code: str, size: int) -> None:
        """Add one fixed-size field to the run."""
        self.targets.append(target)
        self.codes.append(code)
        self.size += size

    def flush(self) -> None:
        """Write the run."""
        if not self.targets:
            return
        if self.codes == ["B"]:
            self.put(f"{self.targets[0]} = data[p]; p += 1")
        else:
            codes = "".join(self.codes)
            unpack = self.use(Struct(">" + codes).unpack_from, "unpack_" + codes.replace("?", "t"))
            self.put(f"{''.join(target + ', ' for target in self.targets)}= {unpack}(data, p); p += {self.size}")
        self.targets.clear()
        self.codes.clear()
        self.size = 0

    def function_for(self, cls: type) -> str:
        """The name of the function that decodes `cls`, written at the first call."""
        if cls not in self.done:
            self.done[cls] = name = f"d{len(self.done)}"
            saved = self.lines, self.pad, self.end, self.depth, self.targets, self.codes, self.size
            self.lines, self.pad, self.end, self.depth = [f"def {name}(data, view, p, end):"], " ", "end", 0
            self.targets, self.codes, self.size = [], [], 0
            self.structure(cls, "o")
            self.put("return o, p")
            self.functions.append(self.lines)
            self.lines, self.pad, self.end, self.depth, self.targets, self.codes, self.size = saved
        return self.done[cls]

    def structure(self, cls: type, var: str) -> None:
        """Decode a structure into a new object named `var`; the run is empty afterwards."""
        self.put(f"{var} = new({self.use(cls, cls.__name__)})")
        fields = [field for field in model_of(cls).fields if field.present(self.version)]
        for field in fields:
            if field.tag is None:
                self.field(field, f"{var}.{field.name}")
        if not self.flexible:
            self.flush()
            return
        self.take("t", "B", 1)
        self.flush()
        tagged = [field for field in fields if field.tag is not None]
        if tagged:
            self.put(f"if t: p = {self.tag_function(cls, tagged)}({var}, data, view, p - 1, {self.end})")
        else:
            self.put(f"if t: p = {self.primitive('skip_tags')}(data, p - 1, {self.end})")

    def tag_function(self, cls: type, fields: list[Field]) -> str:
        """The function that decodes the tagged fields of `cls` onto an object."""
        name = f"tags_{cls.__name__}"
        if name in self.names:
            return name
        self.names[name] = None
        saved = self.lines, self.pad, self.end, self.depth
        self.lines, self.pad, self.end, self.depth = [f"def {name}(o, data, view, p, end):"], " ", "q", 0
        self.put(f"n, p = {self.primitive('read_uvarint')}(data, p)")
        self.put("tag = -1")
        self.put("for _ in range(n):")
        self.pad += " "
        self.put(f"tag, p, q = {self.primitive('read_tag')}(data, p, end, tag)")
        word = "if"
        for field in sorted(fields, key=lambda field: field.tag or 0):
            self.put(f"{word} tag == {field.tag}:")
            word = "elif"
            self.pad += " "
            self.field(field, f"o.{field.name}")
            self.flush()
            self.pad = self.pad[:-1]
        self.put("else: p = q")
        self.put(f"if p != q: raise {self.primitive('tag_size_error')}(tag)")
        self.pad = self.pad[:-1]
        self.put("return p")
        self.functions.append(self.lines)
        self.lines, self.pad, self.end, self.depth = saved
        return name

    def field(self, field: Field, target: str) -> None:
        compact = field.is_flexible(self.version, self.flexible)
        nullable = field.is_nullable(self.version)
        if field.array:
            self.flush()
            self.array(field, target, compact, nullable)
        elif field.struct:
            self.struct_field(field.struct, target, field.tag is not None, nullable)
        elif field.type in FIXED:
            self.take(target, *FIXED[field.type])
        elif field.type == "Records":
            self.flush()
            self.has_records = True
            span = self.primitive("read_compact_span" if compact else "read_span")
            read = f"s, p = {span}(data, p, {self.end}); {target} = None if s < 0 else view[s:p]"
            if compact:
                # Records of 127 bytes to 16 KiB have a length of two bytes: no call for those.
                self.put("n = data[p]; e = data[p + 1]; s = n + (e - 1 << 7) + p + 1")
                self.put(f"if e < 128 <= n and s <= {self.end}: {target} = view[p + 2:s]; p = s")
                read = "else: " + read
            self.put(read)
        else:
            self.flush()
            kind = ("compact_" if compact else "") + ("nullable_" if nullable else "") + field.type.lower()
            read = f"{target}, p = {self.primitive('read_' + kind)}(data, p, {self.end})"
            if compact and field.type == "String":
                # Nearly every string is null or shorter than 127 bytes: no call for those.
                self.put("n = data[p]")
                if nullable:
                    self.put(f"if not n: {target} = None; p += 1")
                is_short = f"if 0 < n < 128 and (e := p + n) <= {self.end}"
                self.put(f"{'el' * nullable}{is_short}: {target} = str(data[p + 1:e], 'utf-8', 'replace'); p = e")
                self.put(f"else: {read}")
            else:
                self.put(read)

    def struct_field(self, cls: type, target: str, tagged: bool, nullable: bool) -> None:
        if nullable:
            # Untagged, a byte -1 or 1 tells null from a value; inside a tagged field it is an unsigned varint 0 or 1.
            self.flush()
            self.put("s = data[p]; p += 1")
            self.put(f"if s == {0 if tagged else 255}: {target} = None")
            self.put("else:")
            self.pad += " "
            self.put(f"if s != 1: {self.primitive('bad_presence')}(s)")
        self.flush()
        var = f"o{len(self.names)}_{self.depth}"
        self.put(f"{var}, p = {self.function_for(cls)}(data, view, p, {self.end})")
        self.put(f"{target} = {var}")
        if nullable:
            self.pad = self.pad[:-1]

    def array(self, field: Field, target: str, compact: bool, nullable: bool) -> None:
        size = (
            least_size(field.struct, self.version, self.flexible) if field.struct else self.element_size(field, compact)
        )
        count = self.primitive("read_compact_count" if compact else "read_count")
        read = f"n, p = {count}(data, p, {self.end}, {max(size, 1)})"
        if compact and nullable:
            self.put(f"if not data[p]: {target} = None; p += 1")
            self.put("else:")
            self.pad += " "
        # One element is the commonest count of all, and needs no check: reading it finds out whether it is there.
        if compact:
            self.put("if data[p] == 2: n = 1; p += 1")
            read = f"else: {read}"
        self.put(read)
        if nullable and not compact:
            self.put(f"if n < 0: {target} = None")
            self.put("else:")
            self.pad += " "
        elif not nullable:
            self.put(f"if n < 0: raise {self.primitive('null_array')}({field.name!r})")
        self.elements(field, target, compact)
        if nullable:
            self.pad = self.pad[:-1]

    def element_size(self, field: Field, compact: bool) -> int:
        if field.type in FIXED:
            return FIXED[field.type][1]
        return 1 if compact else 2 if field.type == "String" else 4

    def elements(self, field: Field, target: str, compact: bool) -> None:
        if field.type in FIXED and field.type != "Uuid":
            code, size = FIXED[field.type]
            self.put(f"{target}, p = {self.primitive('read_numbers')}(data, p, n, {code!r}, {size})")
            return
        self.depth += 1
        array, var = f"a{self.depth}", f"o{self.depth}"
        self.put(f"{target} = {array} = []")
        self.put("for _ in range(n):")
        self.pad += " "
        if field.struct:
            if field.struct in self.done:
                self.put(f"{var}, p = {self.done[field.struct]}(data, view, p, {self.end})")
            else:
                self.structure(field.struct, var)
        elif field.type == "Uuid":
            self.put(f"{var}, = {self.use(Struct('>16s').unpack_from, 'unpack_16s')}(data, p); p += 16")
        else:
            kind = ("compact_" if compact else "") + field.type.lower()
            self.put(f"{var}, p = {self.primitive('read_' + kind)}(data, p, {self.end})")
        self.put(f"{array}.append({var})")
        self.pad = self.pad[:-1]
        self.depth -= 1
