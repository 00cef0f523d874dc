"""A line on standard error that grows while records flow, and a last one that stays."""

from __future__ import annotations

import sys
import time

REFRESH_S = 0.5


class Progress:
    """Counts on standard error: refreshed in place on a terminal, only the summary elsewhere, nothing when `quiet`."""

    def __init__(self, verb: str, *, quiet: bool = False) -> None:
        self._verb = verb
        self._quiet = quiet
        self._live = not quiet and sys.stderr.isatty()
        self._started = time.monotonic()
        self._shown = self._started

    def update(self, records: int, size_bytes: int) -> None:
        """Show the counts, at most twice a second."""
        now = time.monotonic()
        if self._live and now - self._shown >= REFRESH_S:
            self._shown = now
            sys.stderr.write(f"\r{self._text(records, size_bytes)}\x1b[K")
            sys.stderr.flush()

    def finish(self, records: int, size_bytes: int, more: str = "") -> None:
        """The summary."""
        if not self._quiet:
            start = "\r\x1b[K" if self._live else ""
            sys.stderr.write(f"{start}{self._text(records, size_bytes)}{more}\n")

    def _text(self, records: int, size_bytes: int) -> str:
        seconds = max(time.monotonic() - self._started, 1e-9)
        rate = f"{records / seconds:,.0f} records/s, {size_text(size_bytes / seconds)}/s"
        return f"{self._verb} {records:,} records, {size_text(size_bytes)} ({rate})"


def size_text(size_bytes: float) -> str:
    """`999 B`, `1.5 KiB`, `20.0 MiB`."""
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
