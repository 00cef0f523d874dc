"""Moves of a log between two directories, and how far they have come."""

from __future__ import annotations

from pathlib import Path

from kwire.log.files import Files
from kwire.log.log import Log
from kwire.log.manager import LogManager
from kwire.log.relocation import Relocation
from tests.log.building import (
    NOW,
    TOPIC_ID,
    TP,
    append,
    batch,
    config,
    crash,
    open_manager,
    read_all,
    values,
)

SETTINGS = config(segment_bytes=400, index_interval_bytes=0)
VALUES = [b"%03d" % n for n in range(20)]
OTHER_ID = bytes(reversed(TOPIC_ID))


def opened(root: Path, files: Files | None = None) -> tuple[LogManager, Log]:
    manager = open_manager(root / "one", root / "two", settings=SETTINGS, files=files or Files())
    return manager, manager.get_or_create(TP, TOPIC_ID, SETTINGS, NOW)


def filled(root: Path, files: Files | None = None) -> tuple[LogManager, Log]:
    manager, log = opened(root, files)
    for value in VALUES:
        append(log, batch(value))
    log.update_high_watermark(len(VALUES))
    return manager, log


def begun(manager: LogManager, log: Log) -> Relocation:
    target = next(each for each in manager.directories if each is not manager.home_of(log))
    assert manager.relocations.request(TP, target.path, NOW)
    move = manager.relocations.get(TP)
    assert move is not None
    return move


def copied(move: Relocation, slices: int = 1000) -> None:
    for _ in range(slices):
        records, reaches_end = move.next_slice(NOW)
        if records is not None:
            move.copy(records, NOW)
        if reaches_end:
            return


def values_of_the_next_topic(root: Path) -> list[bytes | None]:
    """What a topic begins with that has the name of this one, and another id."""
    manager = open_manager(root / "one", root / "two", settings=SETTINGS)
    manager.unique_name = lambda: "f" * 32
    found = values(read_all(manager.get_or_create(TP, OTHER_ID, SETTINGS, NOW)))
    crash(manager)
    return found


def names(directory: Path) -> set[str]:
    """Partition directories, with the suffix of marked ones."""
    return {path.name.split(".")[0] + path.name[-7:] for path in directory.glob("t-0*")}
