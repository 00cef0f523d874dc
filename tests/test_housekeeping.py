"""What a broker does in the background, without waiting for it."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kwire import housekeeping
from kwire.log.files import Files, OpenFile
from kwire.log.manager import LogManager
from tests.log.building import NOW, TOPIC_ID, TP, append, batch, config, open_manager

SETTINGS = config(segment_bytes=100)


class UnsyncableFiles(Files):
    """A disk that loses the batches that it was given, and says so."""

    __slots__ = ()

    def sync(self, file: OpenFile) -> None:
        if file.path.endswith(".log"):
            raise OSError(errno.EIO, "Input/output error")
        super().sync(file)


def flushed(manager: LogManager, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the flushing of closed segments have its turns, its thread's work done in place."""

    async def at_once(work: Callable[..., None], *arguments: Any) -> None:
        work(*arguments)

    async def run() -> None:
        flushing = asyncio.ensure_future(housekeeping._flush_closed_segments(manager))
        for _ in range(5):
            await asyncio.sleep(0)
        flushing.cancel()

    monkeypatch.setattr(housekeeping, "FLUSH_INTERVAL_MS", 0)
    monkeypatch.setattr(asyncio, "to_thread", at_once)
    asyncio.run(run())


def rolled(directory: Path, files: Files) -> LogManager:
    manager = open_manager(directory, settings=SETTINGS, files=files)
    log = manager.get_or_create(TP, TOPIC_ID, SETTINGS, NOW)
    append(log, batch(b"a"))
    append(log, batch(b"b"))
    assert len(log.segments) == 2
    return manager


def test_a_closed_segment_is_flushed_and_recovery_starts_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = rolled(tmp_path, Files())
    flushed(manager, monkeypatch)
    log = manager.get(TP)
    assert log is not None
    assert log.recovery_point == 1


def test_a_disk_that_cannot_flush_is_not_trusted_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = rolled(tmp_path, UnsyncableFiles())
    flushed(manager, monkeypatch)
    log = manager.get(TP)
    assert log is not None
    assert (log.recovery_point, log.is_failed) == (0, True)
    assert not manager.directories[0].is_online
