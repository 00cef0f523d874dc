"""Imports go down only, and asyncio stays where it belongs: the rules of docs/architecture.md, read off the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "kwire").rglob("*.py"))

LAYER = {
    "errors": 0,
    "clock": 0,
    "ids": 0,
    "named_tuple": 0,
    "wire": 1,
    "log": 2,
    "net": 2,
    "config": 2,
    "security": 2,
    "metrics": 2,
    "coord": 3,
    "cluster": 3,
    "replica": 3,
    "share": 3,
    "api": 4,
    "admin": 4,
    "broker": 5,
    "housekeeping": 5,
    "coordinators": 5,
    "share_wiring": 5,
    "compaction": 5,
    "adoption": 5,
    "cli": 5,
    "testing": 5,
    "__main__": 5,
}
STRANGERS_TO_EACH_OTHER = {2, 3}
"""In these layers a room does not import its neighbours; the broker hands them small Protocols."""

ASYNCIO_ROOMS = (
    "net/",
    "api/",
    "admin/",
    "coord/answers.py",
    "coord/runtime.py",
    "replica/fetcher.py",
    "replica/waiters.py",
    "cluster/embedded_store.py",
    "cluster/zookeeper_store.py",
    "cluster/producer_ids.py",
    "cluster/controller/driver.py",
    "broker.py",
    "share_wiring.py",
    "housekeeping.py",
    "compaction/log_cleaner.py",
    "adoption.py",
    "cli/",
    "testing/",
)
ASYNCIO_STRANGERS = ("net/framing.py",)

PURE_ROOMS = (
    "wire/",
    "log/",
    "coord/group/",
    "coord/share/",
    "coord/txn/",
    "share/",
    "replica/isr.py",
    "replica/truncation.py",
    "cluster/controller/core.py",
)
IMPURE_MODULES = {"time", "random", "uuid", "socket", "secrets", "asyncio"}


def relative(path: Path) -> str:
    return path.relative_to(ROOT / "kwire").as_posix()


def imported_modules(path: Path) -> Iterator[tuple[str, int]]:
    """Every module that this file names in an import, with its line; imports for the type checker only are left out."""
    tree = ast.parse(path.read_text())
    typing_only: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            typing_only.update(inner for statement in node.body for inner in ast.walk(statement))
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, node.lineno


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "kwire" and len(parts) > 1 else None


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_imports_go_down(path: Path) -> None:
    own_room = relative(path).split("/")[0].removesuffix(".py")
    if own_room == "__init__":
        return
    own_layer = LAYER[own_room]
    for module, line in imported_modules(path):
        room = room_of(module)
        if room is None or room == own_room:
            continue
        layer = LAYER[room]
        neighbours = layer == own_layer and own_layer in STRANGERS_TO_EACH_OTHER
        assert layer <= own_layer, f"{relative(path)}:{line}: {own_room} imports {module}, which is above it"
        assert not neighbours, f"{relative(path)}:{line}: {own_room} imports its neighbour {module}"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_asyncio_stays_in_its_rooms(path: Path) -> None:
    name = relative(path)
    if name.startswith(ASYNCIO_ROOMS) and name not in ASYNCIO_STRANGERS:
        return
    for module, line in imported_modules(path):
        assert module.split(".")[0] != "asyncio", f"{name}:{line} imports asyncio"


@pytest.mark.parametrize("path", [path for path in SOURCES if relative(path).startswith(PURE_ROOMS)], ids=relative)
def test_cores_read_no_clock_and_no_randomness(path: Path) -> None:
    for module, line in imported_modules(path):
        assert module.split(".")[0] not in IMPURE_MODULES, f"{relative(path)}:{line} imports {module}"
