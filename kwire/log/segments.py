"""The segments of one log, ascending by base offset; the last one is active."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from kwire.log.config import LogConfig
from kwire.log.files import Files
from kwire.log.segment import LogSegment


class LogSegments:
    """At least one segment, always. `jitter_ms` is drawn once per segment by whoever owns randomness (KAFKA-1905)."""

    __slots__ = ("_bases", "_directory", "_files", "_segments", "active", "jitter_ms")

    active: LogSegment
    """The last one; it alone grows."""

    def __init__(self, directory: str, files: Files, segments: list[LogSegment], *, jitter_ms: int = 0) -> None:
        self._directory = directory
        self._files = files
        self._segments = segments
        self._bases = [segment.base_offset for segment in segments]
        self.jitter_ms = jitter_ms
        if segments:
            self.active = segments[-1]

    def __iter__(self) -> Iterator[LogSegment]:
        return iter(self._segments)

    def __len__(self) -> int:
        return len(self._segments)

    def from_offset(self, offset: int) -> Iterator[tuple[LogSegment, int | None]]:
        """(segment, next segment's base offset or None) from the segment that holds `offset` on."""
        segments, bases = self._segments, self._bases
        slot = max(bisect_right(bases, offset) - 1, 0)
        while slot < len(segments):
            yield segments[slot], bases[slot + 1] if slot + 1 < len(bases) else None
            slot += 1

    def roll(self, base_offset: int, config: LogConfig, now_ms: int) -> LogSegment:
        """Make the active segment a closed one, and begin another. Raises OSError."""
        self.active.become_inactive()
        return self.add(base_offset, config, now_ms)

    def add(self, base_offset: int, config: LogConfig, now_ms: int) -> LogSegment:
        """A new, empty segment at the end."""
        segment = LogSegment(
            self._directory,
            base_offset,
            self._files,
            size=0,
            index_interval_bytes=config.index_interval_bytes,
            index_max_bytes=config.segment_index_bytes,
            created_ms=now_ms,
        )
        if config.preallocate:
            segment.preallocated_bytes = config.segment_bytes
        self._segments.append(segment)
        self._bases.append(base_offset)
        self.active = segment
        return segment

    def remove(self, segments: list[LogSegment]) -> None:
        """Forget closed segments."""
        gone = {segment.base_offset for segment in segments}
        self._segments = [segment for segment in self._segments if segment.base_offset not in gone]
        self._bases = [segment.base_offset for segment in self._segments]
        if self._segments:
            self.active = self._segments[-1]

    def replace(self, sources: list[LogSegment], compacted: LogSegment) -> None:
        """A compacted segment takes the place of those that it was made of, all of them closed ones."""
        kept = [segment for segment in self._segments if segment not in sources]
        self._segments = sorted([*kept, compacted], key=lambda segment: segment.base_offset)
        self._bases = [segment.base_offset for segment in self._segments]

    def move_to(self, directory: str) -> None:
        """The directory has another name."""
        self._directory = directory
        for segment in self._segments:
            segment.move_to(directory)

    def close(self) -> None:
        """Let go of all files."""
        for segment in self._segments:
            segment.close()
