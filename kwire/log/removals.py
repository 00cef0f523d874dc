"""Files and directories that are to be removed later (`file.delete.delay.ms`), so that a reader may finish."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from kwire.log.files import DELETE_DIR_SUFFIX, Files

logger = logging.getLogger(__name__)


class Removals:
    """What carries `.deleted` or `-delete` in its name already, and when it goes.

    `take` says from time to time what is to go now, and `remove` may do it in a thread of its own: taking the pages of
    a gigabyte away holds whoever asks for it for a third of a second.
    """

    __slots__ = ("_files", "_waiting")

    def __init__(self, files: Files) -> None:
        self._files = files
        self._waiting: list[tuple[int, tuple[str, ...]]] = []

    def add(self, paths: Sequence[str], delay_ms: int, now_ms: int) -> None:
        """Remove `paths` after `delay_ms`."""
        if paths:
            self._waiting.append((now_ms + delay_ms, tuple(paths)))

    def take(self, now_ms: int) -> list[str]:
        """What waited long enough, which is the caller's to remove."""
        due = [path for deadline, paths in self._waiting if deadline <= now_ms for path in paths]
        if due:
            self._waiting = [(deadline, paths) for deadline, paths in self._waiting if deadline > now_ms]
        return due

    def remove(self, paths: Sequence[str]) -> None:
        """Remove files and directories. What cannot be removed is logged, and stays."""
        for path in paths:
            try:
                if path.endswith(DELETE_DIR_SUFFIX):
                    self._files.remove_directory(path)
                else:
                    self._files.unlink(path)
            except OSError as error:
                logger.warning("%s is not removed: %s", path, error)
