"""What the tests of compaction share: logs of keyed records, and one round of compaction on the spot."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from kwire.log.cleaner import clean
from kwire.log.cleaner_manager import CleanerManager, LogToClean
from kwire.log.cleaning_job import CleanedGroup, CleanerStats
from kwire.log.files import FILES, Files
from kwire.log.log import Log
from kwire.log.manager import LogManager
from kwire.log.offset_map import OffsetMap
from kwire.log.swap import replace_segments
from kwire.wire.record_batch import BatchHeader
from kwire.wire.records import Record, build_batch
from tests.log.building import NOW, TOPIC_ID, TP, append, config, headers_in, open_manager, read_bytes, records_in

MAP_BYTES = 1 << 16
COMPACT = {"cleanup_policy": ["compact"], "min_cleanable_dirty_ratio": 0.0}

KeyValue = tuple[bytes | None, bytes | None]


def compacted_log(directory: Path, files: Files = FILES, **options: object) -> tuple[LogManager, Log]:
    """A new log with cleanup.policy=compact that is compacted whenever something is dirty."""
    settings = config(**{**COMPACT, **options})
    manager = open_manager(directory, settings=settings, files=files)
    return manager, manager.get_or_create(TP, TOPIC_ID, settings, NOW)


def write(log: Log, pairs: Iterable[KeyValue], *, timestamp: int = NOW, now_ms: int = NOW, **fields: int) -> int:
    """One batch of (key, value), committed; its first offset."""
    records = [(timestamp, key, value, ()) for key, value in pairs]
    info = append(log, build_batch(records, **fields), now_ms=now_ms)  # type: ignore[arg-type]
    log.update_high_watermark(log.log_end_offset)
    return info.first_offset


def roll(log: Log, now_ms: int = NOW) -> None:
    """Close the active segment, so that it can be compacted."""
    log.roll(now_ms)


def pause(size: int) -> None:
    """Nothing limits a test."""


def run(
    manager: LogManager,
    chosen: LogToClean,
    now_ms: int,
    *,
    map_bytes: int = MAP_BYTES,
    load_factor: float = 0.9,
    io_bytes: int = 4096,
) -> CleanerStats:
    """Compact what was begun, swap it in, and note how far it came."""
    log, job = chosen.log, chosen.job(now_ms)
    stats = CleanerStats()
    offset_map = OffsetMap(map_bytes, load_factor)
    for progress in clean(job, log.files, offset_map, io_bytes=io_bytes, pause=pause):
        if isinstance(progress, CleanedGroup):
            assert replace_segments(log, job, progress, now_ms)
        else:
            stats = progress
    manager.cleaner.done_cleaning(log, stats.end_offset)
    return stats


def compact(manager: LogManager, now_ms: int = NOW, **limits: int) -> CleanerStats:
    """One compaction of the filthiest log, which there is."""
    cleaner: CleanerManager = manager.cleaner
    chosen = cleaner.grab_filthiest(now_ms)
    assert chosen is not None
    return run(manager, chosen, now_ms, **limits)


def stored(log: Log) -> bytes:
    """All batches of the log, straight from its segments."""
    return b"".join(segment.bytes_at(0, segment.size) for segment in log.segments)


def stored_headers(log: Log) -> list[BatchHeader]:
    return headers_in(stored(log))


def stored_records(log: Log) -> list[Record]:
    """Every record, control records too."""
    return records_in(stored(log))


def survivors(log: Log) -> list[tuple[int, bytes | None, bytes | None]]:
    """(offset, key, value) of all data records, as they are fetched offset by offset."""
    found: list[tuple[int, bytes | None, bytes | None]] = []
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        data = read_bytes(log, offset, 1 << 16)
        headers = headers_in(data)
        if not headers:
            break
        records = [record for record in records_in(data) if record.offset >= offset]
        found += [(record.offset, record.key, record.value) for record in records]
        offset = headers[-1].next_offset
    return found
