from __future__ import annotations

import subprocess
import sys
from importlib.machinery import ModuleSpec

import pytest

from kwire.wire import crc
from kwire.wire.crc import crc32, crc32c, load_crc32c, load_fast_crc32

DIGITS = b"123456789"


def test_crc32c_of_the_check_string_is_the_standards() -> None:
    assert crc32c(DIGITS) == 0xE3069283


def test_crc32_of_the_check_string_is_the_standards() -> None:
    assert crc32(DIGITS) == 0xCBF43926


@pytest.mark.parametrize("form", [bytes, bytearray, memoryview])
def test_every_kind_of_buffer_has_the_same_checksum(form: type) -> None:
    assert crc32c(form(DIGITS)) == 0xE3069283
    assert crc32(form(DIGITS)) == 0xCBF43926


def test_a_slice_of_a_view_is_summed_in_place() -> None:
    assert crc32c(memoryview(bytearray(b"xx" + DIGITS + b"x"))[2:11]) == 0xE3069283


def test_a_checksum_goes_on_from_the_one_so_far() -> None:
    assert crc32c(DIGITS[4:], crc32c(DIGITS[:4])) == 0xE3069283
    assert crc32(DIGITS[4:], crc32(DIGITS[:4])) == 0xCBF43926


def test_importing_it_does_not_import_the_packages_init() -> None:
    code = (
        "import sys; from kwire.wire.crc import crc32c;"
        "print('importlib.metadata' in sys.modules, 'crc32c' in sys.modules, crc32c(b'123456789'))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["False", "False", str(0xE3069283)]


def test_the_ordinary_import_finds_the_same_extension_afterwards() -> None:
    code = "from kwire.wire.crc import crc32c; import crc32c as package; print(package.crc32c is crc32c)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "True"


def test_a_package_of_another_layout_is_imported_in_the_ordinary_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crc, "extension_module", lambda: None)
    assert load_crc32c()(DIGITS) == 0xE3069283


def test_an_extension_that_does_not_load_falls_back_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ImportError("built for another interpreter")

    monkeypatch.setattr(crc, "extension_module", broken)
    assert load_crc32c()(DIGITS) == 0xE3069283


def test_no_package_no_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "crc32c._crc32c")
    monkeypatch.setattr(crc, "find_spec", lambda name: None)
    assert crc.extension_module() is None


def test_a_package_without_the_extension_gives_none(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = ModuleSpec("crc32c", None, is_package=True)
    monkeypatch.delitem(sys.modules, "crc32c._crc32c")
    monkeypatch.setattr(crc, "find_spec", lambda name: empty)
    assert crc.extension_module() is None


def test_the_fast_crc32_is_the_same() -> None:
    fast = load_fast_crc32()
    data = bytes(range(256)) * 40
    for size in (0, 1, 15, 64, 1000, len(data)):
        assert fast(data[:size]) == crc32(data[:size])
        assert fast(memoryview(data)[:size], 77) == crc32(data[:size], 77)
    assert fast(bytearray(DIGITS)) == 0xCBF43926


def test_without_its_package_zlib_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "isal", None)
    monkeypatch.setitem(sys.modules, "isal.isal_zlib", None)
    assert load_fast_crc32() is crc32


def test_nobody_pays_for_it_before_the_first_conversion() -> None:
    code = "import sys, kwire.broker, kwire.api.fetch, kwire.wire.legacy; print('isal' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
