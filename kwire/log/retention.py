"""Where a log loses records: retention at its start, DeleteRecords, truncation at its end.

Only whole segments go. They go in order from the oldest, never beyond the high watermark, and the active one is rolled
before it goes. Files become `.deleted` and are unlinked after `file.delete.delay.ms`, so that a reader may finish.
Source: Kafka's
`UnifiedLog.deleteOldSegments`, `deleteRecords`, `truncateTo`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kwire.errors import ErrorCode, KafkaError
from kwire.log.config import DELETE
from kwire.log.segment import LogSegment

if TYPE_CHECKING:
    from kwire.log.log_state import LogState

logger = logging.getLogger(__name__)
UP_TO_HIGH_WATERMARK = -1


def delete_old_segments(log: LogState, now_ms: int) -> int:
    """Drop what `retention.ms`, `retention.bytes` or the log's start let go; how many segments. Raises OSError."""
    segments = list(log.segments)
    count = _below_log_start(log, segments)
    if DELETE in log.config.cleanup_policy:
        count = max(count, _too_old(log, segments, now_ms), _too_much(log, segments))
    count = min(count, _below_high_watermark(log, segments))
    if count == 0:
        return 0
    if count == len(segments):
        if not log.segments.active.size:
            return 0
        # The empty segment's name is all that tells the next start where the log ends: it has to be there before the
        # others go.
        log.roll(now_ms).create_files()
    _drop_oldest(log, segments[:count], now_ms)
    return count


def _below_log_start(log: LogState, segments: list[LogSegment]) -> int:
    count = 0
    for following in segments[1:]:
        if following.base_offset > log.log_start_offset:
            break
        count += 1
    return count


def _too_old(log: LogState, segments: list[LogSegment], now_ms: int) -> int:
    if log.config.retention_ms < 0:
        return 0
    count = 0
    for segment in segments:
        if not segment.size and segment is segments[-1]:
            break
        if now_ms - segment.largest_timestamp_or_mtime() <= log.config.retention_ms:
            break
        count += 1
    return count


def _too_much(log: LogState, segments: list[LogSegment]) -> int:
    limit = log.config.retention_bytes
    if limit < 0:
        return 0
    surplus = sum(segment.size for segment in segments) - limit
    count = 0
    for segment in segments:
        surplus -= segment.size
        if surplus < 0 or (not segment.size and segment is segments[-1]):
            break
        count += 1
    return count


def _below_high_watermark(log: LogState, segments: list[LogSegment]) -> int:
    ends = [following.base_offset for following in segments[1:]] + [log.log_end_offset]
    return sum(1 for end in ends if end <= log.high_watermark)


def _drop_oldest(log: LogState, segments: list[LogSegment], now_ms: int) -> None:
    log.segments.remove(segments)
    start = next(iter(log.segments)).base_offset
    if start > log.log_start_offset:
        _move_start(log, start)
    log.remove_later(segments, now_ms)
    logger.info(
        "%s: %d segments deleted, the log starts at %d", log.topic_partition, len(segments), log.log_start_offset
    )


def _move_start(log: LogState, offset: int) -> None:
    log.log_start_offset = offset
    log.epochs.truncate_from_start(offset)
    log.producers.on_log_start_offset(offset)
    log.update_high_watermark(offset)


def delete_records(log: LogState, up_to: int) -> int:
    """Move the log's start to `up_to`, -1 for the high watermark; the start as it is then (KIP-107).

    POLICY_VIOLATION where cleanup.policy has no `delete`, OFFSET_OUT_OF_RANGE beyond the high watermark or below -1. An
    offset below the start changes nothing. Segments go with the next retention run.
    """
    if DELETE not in log.config.cleanup_policy:
        raise KafkaError(
            ErrorCode.POLICY_VIOLATION, f"{log.topic_partition} is compacted: its records are not deleted by offset"
        )
    if up_to == UP_TO_HIGH_WATERMARK:
        up_to = log.high_watermark
    if not 0 <= up_to <= log.high_watermark:
        raise KafkaError(
            ErrorCode.OFFSET_OUT_OF_RANGE, f"offset {up_to} is beyond the high watermark {log.high_watermark}"
        )
    if up_to > log.log_start_offset:
        _move_start(log, up_to)
    return log.log_start_offset


def truncate_to(log: LogState, offset: int, now_ms: int) -> None:
    """Drop every batch that reaches `offset` or beyond; producer state is brought back to what it was there.

    Raises OSError.
    """
    from kwire.log.recovery import replay_producers

    if offset >= log.log_end_offset:
        log.epochs.truncate_from_end(offset)
        return
    segments = list(log.segments)
    if offset < segments[0].base_offset:
        truncate_fully_and_start_at(log, offset, now_ms)
        return
    # The first stays, empty, where it begins at the offset: producers of what retention took are still known there.
    dropped = [segment for segment in segments[1:] if segment.base_offset >= offset]
    log.segments.remove(dropped)
    unlink_segments(log, dropped)
    log.segments.active.truncate_to(offset)
    # After a power cut nothing of what was dropped may stand behind or amid what is appended now.
    log.segments.active.sync()
    log.journal.drop_above(offset)
    log.files.sync_directory(log.directory)
    snapshot, entries = log.journal.newest()
    log.producers.reload(entries, snapshot)
    replay_producers(log, list(log.segments), snapshot, None)
    # Batches are dropped whole: the log may end before the offset that was asked for, and is fetched again from there.
    end = log.segments.active.end_of_batches()[1]
    log.epochs.truncate_from_end(end)
    log.epochs.write()
    log.lower_recovery_point(end)
    log.lower_start(end)
    log.reset_after_truncation(end)
    log.host.truncated(log, end)


def unlink_segments(log: LogState, segments: Sequence[LogSegment]) -> None:
    """Remove the last segments of a log, at once. Raises OSError.

    From the end on, on the device as well: a compacted log would take what is missing for a hole of its own.
    """
    for segment in reversed(segments):
        segment.close()
        for path in segment.paths:
            log.files.unlink(path)
        log.files.sync_directory(log.directory)


def truncate_fully_and_start_at(log: LogState, offset: int, now_ms: int) -> None:
    """Drop everything; the log is empty, and its start, end and high watermark are `offset`. Raises OSError."""
    log.put_on_disk()
    log.lower_recovery_point(0)
    *dropped, last = log.segments
    log.journal.drop_above(-1)
    log.segments.remove([*dropped, last])
    log.remove_later(dropped, now_ms)
    # Kafka's order: some segment's name says at every moment where the log is, unless the new name lies among the old.
    is_among_the_old = offset < log.log_end_offset or offset == last.base_offset
    if is_among_the_old:
        log.remove_later([last], now_ms)
    log.segments.add(offset, log.config, now_ms).create_files()
    if not is_among_the_old:
        log.remove_later([last], now_ms)
    # After a power cut nothing of the old may stand before what is appended now.
    log.files.sync_directory(log.directory)
    log.epochs.clear()
    log.producers.reload([], offset)
    log.lower_start(offset)
    log.log_start_offset = offset
    log.reset_after_truncation(offset)
    log.host.truncated(log, offset)
    log.update_high_watermark(offset)
