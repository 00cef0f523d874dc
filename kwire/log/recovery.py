"""Opening the log of a partition directory, after a clean stop and after a crash.

After a clean stop nothing is scanned: segments come from the directory's listing, the end offset from the batches
behind the last index entry, producers from the snapshot at the end. After a crash every segment from the recovery point
on is read whole, each batch's checksum included: indexes, transaction index and producer state are made anew, the log
is cut at the first batch that is not whole and sound, and what lies behind the cut goes. Since all that was
acknowledged was written before, only a torn tail can be lost.

Unfinished work of deletion and compaction is tidied up first (`listing`). A segment whose indexes are missing or torn
is scanned too. Source: Kafka's `LogLoader`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from kwire.log.checkpoints import CLEANER_POINTS, CorruptCheckpointError, read_offsets
from kwire.log.leader_epochs import FILE_NAME, LeaderEpochs
from kwire.log.listing import Listing, list_directory
from kwire.log.producer_journal import ProducerJournal, marker_of
from kwire.log.producer_state import CompletedTxn, ProducerStateManager
from kwire.log.retention import unlink_segments
from kwire.log.segment import MAX_RELATIVE_OFFSET, LogSegment
from kwire.log.segments import LogSegments
from kwire.log.txn_index import AbortedTransaction
from kwire.wire.record_batch import CorruptRecordError

if TYPE_CHECKING:
    from kwire.log.log_state import LogState

logger = logging.getLogger(__name__)


def load(log: LogState, *, clean: bool, checkpointed_start: int, trusts_indexes: bool = True) -> None:
    """Fill in what `log` knows of its directory: segments, ends, epochs, producers. Raises OSError.

    `trusts_indexes` is false where a recovery was interrupted: what it had emptied may be so on the device.
    """
    files, directory, config = log.files, log.directory, log.config
    log.is_directory_on_device = clean
    listing = list_directory(directory, files)
    segments = [
        LogSegment(
            directory,
            offset,
            files,
            size=listing.logs[offset],
            index_interval_bytes=config.index_interval_bytes,
            index_max_bytes=config.segment_index_bytes,
            created_ms=log.created_ms,
        )
        for offset in sorted(listing.logs)
    ]
    log.epochs = LeaderEpochs(os.path.join(directory, FILE_NAME), files)
    log.epochs.load(clean=clean)
    log.producers = ProducerStateManager()
    log.journal = ProducerJournal(directory, files, listing.snapshots)
    first_to_scan = _first_to_scan(log, segments, listing, clean=clean, trusts_indexes=trusts_indexes)
    _load_producers(log, segments, first_to_scan)
    if first_to_scan < len(segments):
        # The batches tell what began here, whatever the file still says of ones that were truncated.
        log.epochs.truncate_from_end(segments[first_to_scan].base_offset)
    for slot in range(first_to_scan, len(segments)):
        end_offset = recover_segment(log, segments[slot])
        if end_offset is None or not _fits(log, end_offset, segments[slot + 1 : slot + 2]):
            _discard(log, segments[slot + 1 :])
            del segments[slot + 1 :]
            break
    end = segments[-1].end_of_batches()[1] if segments else 0
    start = max(checkpointed_start, segments[0].base_offset if segments else 0)
    if not segments or end < start:
        # There is no segment yet, or DeleteRecords went beyond what a crash left of the log.
        _discard(log, segments)
        segments.clear()
        if end < start:
            # As Kafka's: what is known of the batches that went goes with them.
            log.journal.drop_above(-1)
            log.producers.reload([], start)
            log.epochs.clear()
        end = start
    log.segments = LogSegments(directory, files, segments, jitter_ms=log.host.segment_jitter_ms(config))
    if not segments:
        segment = log.segments.add(start, config, log.created_ms)
        if start:
            # Its name tells the next start where the log goes on.
            segment.create_files()
    log.log_start_offset = start
    log.log_end_offset = log.producers.map_end_offset = end
    log.epochs.truncate_from_end(end)
    log.epochs.truncate_from_start(start)
    log.journal.keep({segment.base_offset for segment in log.segments})
    log.segments.close()


def _first_to_scan(
    log: LogState, segments: list[LogSegment], listing: Listing, *, clean: bool, trusts_indexes: bool
) -> int:
    """The slot from which segments must be read whole; their count when none must."""
    slot = len(segments)
    if not clean:
        while slot > 0 and segments[slot - 1].base_offset >= log.recovery_point:
            slot -= 1
        # The segment that the recovery point lies in, unless it lies between two or the log provably ends there.
        if slot and (
            not (
                trusts_indexes
                and _ends_at(segments[-1], log.recovery_point)
                and segments[-1].has_sound_indexes(log.recovery_point)
            )
            if slot == len(segments)
            else segments[slot].base_offset != log.recovery_point
        ):
            slot -= 1
    for at, segment in enumerate(segments[:slot]):
        if segment.base_offset in listing.torn_txn_indexes:
            return at
        _repair_indexes(segment, listing)
    if clean and slot and slot == len(segments) and not _ends_at(segments[-1], None):
        # Not as we left it: the file system lost a part, or somebody else wrote. Appending behind a torn batch would
        # lose what is appended, since the next recovery cuts there.
        return slot - 1
    return slot


def _repair_indexes(segment: LogSegment, listing: Listing) -> None:
    """Make the indexes of a segment anew if one is missing or cannot be right; the batches themselves are believed."""
    base_offset = segment.base_offset
    if not segment.size or (
        base_offset in listing.indexes & listing.time_indexes
        and base_offset not in listing.torn_indexes
        and segment.index.is_sound(segment.size)
        and segment.time_index.is_sound()
    ):
        return
    logger.warning("%s: the indexes are made anew", segment.log_path)
    segment.rebuild_indexes()
    segment.sync_indexes()


def _ends_at(segment: LogSegment, offset: int | None) -> bool:
    """Whether whole batches fill the segment from its last index entry on, and end at `offset` if that is given."""
    try:
        position, end_offset = segment.end_of_batches()
    except CorruptRecordError:
        return False
    return position == segment.size and offset in (None, end_offset)


def _load_producers(log: LogState, segments: list[LogSegment], first_to_scan: int) -> None:
    """Producer state as of the first segment to scan, or of the end: the newest snapshot and the batches behind it."""
    journal = log.journal
    # A power cut may bring back one that lies beyond what is left.
    if first_to_scan < len(segments):
        journal.drop_above(segments[first_to_scan].base_offset)
    else:
        journal.drop_above(segments[-1].end_of_batches()[1] if segments else 0)
    if segments:
        # One from amid a segment that retention took, while that of the roll was lost. Kafka's `truncateAndReload`.
        journal.drop_below(segments[0].base_offset)
    offset, entries = journal.newest()
    # As Kafka's `loadFromSnapshot`: who was idle for long is not remembered again.
    now_ms, host = log.created_ms, log.host
    kept = [e for e in entries if e.txn_first_offset is not None or not host.is_expired(e.last_timestamp, now_ms)]
    log.producers.reload(kept, offset)
    replay_producers(log, segments[:first_to_scan], offset, None)


def replay_producers(log: LogState, segments: Sequence[LogSegment], offset: int, end: int | None) -> None:
    """Bring producer state, as of `offset`, up to the end of `segments` (or to `end`) from their batches."""
    for segment, following in zip_longest(segments, segments[1:]):
        if following is not None and following.base_offset <= offset:
            continue
        for position, header in segment.batches(segment.locate(offset)):
            if end is not None and header.base_offset >= end:
                return
            if header.has_producer and header.base_offset >= offset:
                batch = segment.bytes_at(position, header.size) if header.is_control else b""
                completed = log.producers.update(header, marker_of(batch, header))
                if completed is not None:
                    log.producers.complete(completed)


def _fits(log: LogState, end_offset: int, following: list[LogSegment]) -> bool:
    """Whether the next segment goes on where this one ends; where it does not, it was not flushed either.

    A power cut may undo a truncation, so that this segment reaches into the next one, or take this one's end, at a
    batch's end, and leave the next: only compaction makes gaps. Kafka keeps both; consumers pass over the hole. A very
    wide one was the leader's (`Log.append_as_follower`): no segment held so many records.
    """
    if not following:
        return True
    gap = following[0].base_offset - end_offset
    if gap == 0 or gap >= MAX_RELATIVE_OFFSET // 2:
        return True
    if gap < 0 or not (log.config.is_compacted or _was_compacted(log)):
        return False
    log.host.hole_taken(log)
    return True


def _was_compacted(log: LogState) -> bool:
    """Whether compaction may have been at work, whatever the policy is now (`CleanerManager.begin`). Raises OSError."""
    path = os.path.join(os.path.dirname(log.directory), CLEANER_POINTS)
    try:
        return log.topic_partition in read_offsets(log.files, path)
    except CorruptCheckpointError:
        return True  # Who knows.


def recover_segment(log: LogState, segment: LogSegment) -> int | None:
    """Read the segment whole and make its indexes anew; the offset it ends at, None if it was cut. Raises OSError."""
    from kwire.wire.legacy import is_sound

    size, sound, last_offset = segment.size, 0, segment.base_offset - 1
    producers, epochs = log.producers, log.epochs
    if segment.base_offset > log.journal.newest_offset:
        log.journal.take(producers.entries, segment.base_offset)
    segment.begin_rebuild()
    try:
        for position, header, batch in segment.whole_batches():
            if not is_sound(batch, header) or not (
                last_offset < header.base_offset and header.last_offset - segment.base_offset <= MAX_RELATIVE_OFFSET
            ):
                break
            segment.reindex(position, header)
            if header.partition_leader_epoch > epochs.latest_epoch:
                epochs.assign(header.partition_leader_epoch, header.base_offset)
            if header.has_producer:
                completed = producers.update(header, marker_of(batch, header))
                if completed is not None:
                    if completed.is_aborted:
                        segment.txn_index.append(aborted(completed, producers))
                    producers.complete(completed)
            last_offset = header.last_offset
            sound = position + header.size
    except CorruptRecordError as error:
        logger.info("%s", error)
    if sound < size:
        logger.warning("%s: cut from %d to %d bytes, behind offset %d", segment.log_path, size, sound, last_offset)
    segment.end_rebuild(sound)
    if segment.base_offset < log.recovery_point:
        # Its batches may all be flushed: then the next recovery believes the indexes, and they must be whole.
        segment.sync_indexes()
    log.host.segment_recovered(size)
    return last_offset + 1 if sound == size else None


def aborted(completed: CompletedTxn, producers: ProducerStateManager) -> AbortedTransaction:
    """The transaction index's entry for a transaction that an ABORT marker ended."""
    stable = producers.last_stable_offset_after(completed)
    return AbortedTransaction(completed.producer_id, completed.first_offset, completed.last_offset, stable)


def _discard(log: LogState, segments: list[LogSegment]) -> None:
    """Remove segments that lie behind a cut."""
    unlink_segments(log, segments)
    if segments:
        logger.warning("%s: %d segments behind the cut removed", log.directory, len(segments))
