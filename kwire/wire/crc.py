"""The one door to checksums: CRC-32C of magic 2 batches, CRC-32 of magic 0 and 1 messages.

`import crc32c` runs the package's `__init__`, which imports importlib.metadata to learn its own version: 32 of its 36
ms, a fifth of what the whole broker may take to be ready. So the extension module inside the package is loaded by its
spec, under its ordinary name, without running the package; where its layout is not the one we know, the ordinary
import answers instead, at the ordinary price.
"""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Protocol
from zlib import crc32 as _crc32

Buffer = bytes | bytearray | memoryview

_EXTENSION = "crc32c._crc32c"


class Checksum(Protocol):
    """The checksum as a function of the bytes and of the checksum so far."""

    def __call__(self, data: Buffer, value: int = 0, /) -> int: ...


def extension_module() -> ModuleType | None:
    """The package's extension without its `__init__`; None where the package is not laid out as expected."""
    loaded = sys.modules.get(_EXTENSION)
    if loaded is not None:
        return loaded
    package = find_spec("crc32c")
    if package is None or package.submodule_search_locations is None:
        return None
    spec = PathFinder.find_spec(_EXTENSION, package.submodule_search_locations)
    if spec is None or spec.loader is None:
        return None
    module = module_from_spec(spec)
    # Registered before it runs, as the import system does: a later `import crc32c` then finds this same module.
    sys.modules[_EXTENSION] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[_EXTENSION]
        raise
    return module


def load_crc32c() -> Checksum:
    """The function itself, by the short way or by the ordinary import; ImportError when the package is missing."""
    try:
        extension = extension_module()
    except ImportError:
        extension = None
    function: Checksum | None = getattr(extension, "crc32c", None)
    if function is None:
        import crc32c as package

        function = package.crc32c
    assert function is not None
    return function


crc32c: Checksum = load_crc32c()
"""CRC-32C (Castagnoli) of bytes, bytearray or memoryview, without a copy: 32 us/MiB. Unsigned 32 bits."""

crc32: Checksum = _crc32
"""CRC-32 (zlib) of bytes, bytearray or memoryview; unsigned 32 bits. Magic 0 and 1 messages carry it."""


def load_fast_crc32() -> Checksum:
    """The same checksum by carry-less multiplication (ISA-L), where it is installed: 1000 bytes take 0.15 us, not 0.43.

    For those who compute many; importing it takes some milliseconds.
    """
    try:
        from isal.isal_zlib import crc32 as fast
    except ImportError:
        return crc32
    function: Checksum = fast
    return function
