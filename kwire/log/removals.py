"""Files and directories that are to be removed later (`file.delete.delay.ms`), so that a reader may finish."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from kwire.log.files import DELETE_DIR_SUFFIX, Files

logger = logging.getLogger(__name__)


class Removals:
    """What carries `.deleted` or `-delete` in its name already, and when it goes; `due` is called from time to time."""

    __slots__ = ("_files", "_waiting")

    def __init__(self, files: Files) -> None:
        self._files = files
        self._waiting: list[tuple[int, tuple[str, ...]]] = []

    def add(self, paths: Sequence[str], delay_ms: int, now_ms: int) -> None:
        """Remove `paths` after `delay_ms`."""
        if paths:
            self._waiting.append((now_ms + delay_ms, tuple(paths)))

    def next_deadline(self) -> int | None:
        """When `due` has something to do, ms; None for never."""
        return min((deadline for deadline, _ in self._waiting), default=None)

    def due(self, now_ms: int) -> int:
        """Remove what waited long enough; how many removals. What cannot be removed is logged, and stays."""
        due = [paths for deadline, paths in self._waiting if deadline <= now_ms]
        self._waiting = [(deadline, paths) for deadline, paths in self._waiting if deadline > now_ms]
        for path in (path for paths in due for path in paths):
            try:
                if path.endswith(DELETE_DIR_SUFFIX):
                    self._files.remove_directory(path)
                else:
                    self._files.unlink(path)
            except OSError as error:
                logger.warning("%s is not removed: %s", path, error)
        return len(due)
