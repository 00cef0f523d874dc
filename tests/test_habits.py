"""Habits that a machine can check: sizes of files and functions, module names, no half-done work, the table of APIs."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from kwire.api.table import APIS

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "kwire").rglob("*.py"))
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

LONGER_FILES: dict[str, str] = {}
"""Files above the limit, each with its reason."""

LONGER_FUNCTIONS: dict[str, str] = {}
"""Functions above the limit (`path::name`), each with its reason."""

VAGUE_NAMES = {"util", "utils", "helper", "helpers", "common", "misc"}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_files_stay_readable(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= MAX_FILE_LINES or relative(path) in LONGER_FILES, f"{relative(path)} has {lines} lines"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_functions_fit_a_screen(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1
            name = f"{relative(path)}::{node.name}"
            assert lines <= MAX_FUNCTION_LINES or name in LONGER_FUNCTIONS, f"{name} has {lines} lines"


def test_exceptions_are_needed() -> None:
    for name in LONGER_FILES:
        assert len((ROOT / name).read_text().splitlines()) > MAX_FILE_LINES, f"{name} needs no exception any more"
    for name in LONGER_FUNCTIONS:
        path, function = name.split("::")
        assert f"def {function}(" in (ROOT / path).read_text(), f"{name} is gone"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_modules_say_what_they_hold(path: Path) -> None:
    assert path.stem not in VAGUE_NAMES
    if path.name == "__init__.py":
        return
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), f"{relative(path)} has no docstring"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_nothing_is_left_half_done(path: Path) -> None:
    text = path.read_text()
    found = re.search(
        r"\b(TODO|FIXME|XXX|NotImplementedError)\b|except:|# type: ignore(\[[^]]*\])?\s*$", text, re.MULTILINE
    )
    assert found is None, f"{relative(path)}: {found and found.group()}"


def test_every_api_has_a_handler_and_a_test() -> None:
    for api in APIS:
        assert (ROOT / "kwire" / "api" / f"{api.module}.py").is_file(), f"{api.name} has no handler"
        assert (ROOT / "tests" / "api" / f"test_{api.module}.py").is_file(), f"{api.name} has no test"


def test_no_handler_is_without_a_row() -> None:
    rows = {api.module for api in APIS}
    for path in (ROOT / "kwire" / "api").glob("*.py"):
        if re.search(r"^(async )?def handle\(", path.read_text(), re.MULTILINE):
            assert path.stem in rows, f"{path.name} is not in the table"
