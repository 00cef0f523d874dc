"""What compaction is told of a log, and what it tells of its work: plain values, so that both can cross a pipe.

The broker's log knows producers, transactions and options; the files are all that the one who compacts needs besides.
Both directions are lines of JSON, an object each, told apart by their first key.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

ENTRIES_AT_ONCE = 4096
"""How many producers or segments take a few milliseconds to note, or to render."""


class CleaningJob(NamedTuple):
    """One log and how far it may be compacted. Sizes in bytes, times in ms."""

    directory: str
    segments: list[tuple[int, int]]
    """(base offset, size) of every segment below the first uncleanable offset, ascending."""
    first_dirty_offset: int
    first_uncleanable_offset: int
    """A segment begins here."""
    aborted: Sequence[tuple[int, int, int, int]]
    """The aborted transactions among the segments, as the transaction index has them."""
    last_records: list[tuple[int, int, int]]
    """(producer id, last data offset or -1, epoch) of each active producer: what must not be forgotten of it."""
    now_ms: int
    segment_bytes: int
    segment_index_bytes: int
    index_interval_bytes: int
    delete_retention_ms: int


class CleanedGroup(NamedTuple):
    """A finished `.cleaned` segment, on the device, and the segments that it stands for."""

    base_offset: int
    size: int
    replaced: list[int]
    """Their base offsets, ascending; the first is `base_offset`."""


class CleanerStats:
    """What a cleaning read, kept and wrote; `end_offset` is where the next one begins."""

    __slots__ = (
        "bytes_read",
        "bytes_written",
        "end_offset",
        "invalid_records_read",
        "map_bytes_read",
        "map_records_read",
        "map_utilization",
        "records_read",
        "records_written",
    )

    def __init__(self, **values: float) -> None:
        self.end_offset = 0
        self.bytes_read = self.bytes_written = self.map_bytes_read = 0
        self.records_read = self.records_written = self.map_records_read = self.invalid_records_read = 0
        self.map_utilization = 0.0
        for name, value in values.items():
            setattr(self, name, value)

    def as_dict(self) -> dict[str, float]:
        """The values by name; `CleanerStats(**values)` makes the same again."""
        return {name: getattr(self, name) for name in self.__slots__}


def render_job(job: CleaningJob) -> Iterator[str]:
    """A job for `parse_job`, as the pieces of one text: a job of very many producers takes its time."""
    for index, field in enumerate(job):
        yield "," if index else "["
        if isinstance(field, list):
            yield "["
            for at in range(0, len(field), ENTRIES_AT_ONCE):
                yield ("," if at else "") + json.dumps(field[at : at + ENTRIES_AT_ONCE])[1:-1]
            yield "]"
        else:
            yield json.dumps(field)
    yield "]"


def parse_job(fields: list[Any]) -> CleaningJob:
    """The job of a parsed line."""
    job = CleaningJob._make(fields)
    return job._replace(
        segments=[(base, size) for base, size in job.segments],
        aborted=[(a, b, c, d) for a, b, c, d in job.aborted],
        last_records=[(a, b, c) for a, b, c in job.last_records],
    )


def render_progress(progress: CleanedGroup | CleanerStats) -> str:
    """One line, without its end."""
    if isinstance(progress, CleanedGroup):
        return json.dumps({"group": progress})
    return json.dumps({"stats": progress.as_dict()})


def parse_progress(line: str | bytes) -> CleanedGroup | CleanerStats | None:
    """What a line of `render_progress` says; None for a line that says something else."""
    said = json.loads(line)
    if "group" in said:
        return CleanedGroup._make(said["group"])
    return CleanerStats(**said["stats"]) if "stats" in said else None
