"""Putting a compacted segment in the place of those it was made of, and finishing that after a crash.

```
0.log.cleaned 0.index.cleaned ...   written and on the device; the sources are in use         crash: they stay
0.log.swap    0.index.cleaned ...   renaming begins                                           crash: they stay
0.log.swap    0.index.swap    ...   from here on the compacted segment is the truth           crash: it takes over
0.log.deleted 5.log.deleted   ...   the sources go, in their order                            crash: it takes over
0.log         0.index         ...   and it takes its own name                                 crash: it takes over
```
A rename is atomic, so each step was done or not. The order tells both states apart: as long as a `.cleaned` file is
there and no source has gone, the `.swap` files behind it do not count. Sources: Kafka's `LocalLog.replaceSegments` and
`LogLoader`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from kwire.log.cleaned_segment import remove_cleaned
from kwire.log.cleaning_job import CleanedGroup, CleaningJob
from kwire.log.files import (
    CLEANED_SUFFIX,
    DELETED_SUFFIX,
    LOG_SUFFIX,
    SEGMENT_SUFFIXES,
    SWAP_SUFFIX,
    Files,
    offset_name,
    parse_offset_name,
)
from kwire.log.segment import LogSegment
from kwire.log.stored_frames import stored_frames
from kwire.wire.record_batch import CorruptRecordError, read_header

if TYPE_CHECKING:
    from kwire.log.log_state import LogState

logger = logging.getLogger(__name__)
_PIECE_BYTES = 1 << 20


def replace_segments(log: LogState, job: CleaningJob, group: CleanedGroup, now_ms: int) -> bool:
    """Swap the group's `.cleaned` segment in; False, and its files removed, if a source is not what it was.

    That happens when retention, a truncation, a deletion or a move to another directory came first. Nothing is replaced
    by a segment that is not there. At once, on the
    thread that owns the log: no reader sees an in-between. KAFKA_STORAGE_ERROR takes the directory offline.
    """
    sizes = dict(job.segments)
    sources = [segment for segment in log.segments if segment.base_offset in group.replaced]
    unchanged = (
        not log.is_failed
        and log.directory == job.directory
        and [segment.base_offset for segment in sources] == group.replaced
        and all(segment.size == sizes[segment.base_offset] for segment in sources)
        and log.segments.active not in sources
    )
    try:
        if not (unchanged and _is_whole(log.files, job.directory, group)):
            remove_cleaned(job.directory, group.base_offset, log.files)
            return False
        _rename_all(log.files, log.directory, group.base_offset, CLEANED_SUFFIX, SWAP_SUFFIX)
        log.remove_later(sources, now_ms, keep_snapshot_of=group.base_offset)
        _rename_all(log.files, log.directory, group.base_offset, SWAP_SUFFIX, "")
    except OSError as error:
        raise log.storage_error(error) from error
    log.segments.replace(
        sources,
        LogSegment(
            log.directory,
            group.base_offset,
            log.files,
            size=group.size,
            index_interval_bytes=log.config.index_interval_bytes,
            index_max_bytes=log.config.segment_index_bytes,
            created_ms=sources[0].created_ms,
        ),
    )
    return True


def _is_whole(files: Files, directory: str, group: CleanedGroup) -> bool:
    """Whether the `.cleaned` segment is the one that was told of."""
    try:
        return files.size(os.path.join(directory, offset_name(group.base_offset, LOG_SUFFIX + CLEANED_SUFFIX))) == (
            group.size
        )
    except FileNotFoundError:
        return False


def _rename_all(files: Files, directory: str, base_offset: int, old: str, new: str) -> None:
    for suffix in SEGMENT_SUFFIXES:
        path = os.path.join(directory, offset_name(base_offset, suffix))
        # Most segments have no transaction index.
        with suppress(FileNotFoundError):
            files.rename(path + old, path + new)


def resolve_orphans(directory: str, files: Files, names: Iterable[str]) -> None:
    """Finish or undo what a crash interrupted, given the names in a partition's directory. Raises OSError.

    Safe to be interrupted and done again.
    """
    marked = [(name, *parsed) for name in names if (parsed := parse_offset_name(name)) is not None]
    cleaned = [offset for _, offset, suffix in marked if suffix.endswith(CLEANED_SUFFIX)]
    first_cleaned = min(cleaned, default=None)
    gone = {offset for _, offset, suffix in marked if suffix == LOG_SUFFIX + DELETED_SUFFIX}
    swaps: list[tuple[str, int, str]] = []
    for name, offset, suffix in marked:
        if suffix.endswith(SWAP_SUFFIX):
            # Behind a `.cleaned` file the renaming was under way, or Kafka was splitting a segment (KAFKA-6264). Where
            # the first source has gone already, the file is only a left-over.
            if first_cleaned is not None and offset >= first_cleaned and offset not in gone:
                files.unlink(os.path.join(directory, name))
            else:
                swaps.append((name, offset, suffix))
    # Last, since they say that the `.swap` files removed above do not count.
    for name, _, suffix in marked:
        if suffix.endswith((CLEANED_SUFFIX, DELETED_SUFFIX)):
            files.unlink(os.path.join(directory, name))
    bases = [offset for _, offset, suffix in marked if suffix == LOG_SUFFIX]
    for name, offset, suffix in swaps:
        if suffix == LOG_SUFFIX + SWAP_SUFFIX:
            end = _end_offset(files, os.path.join(directory, name), offset)
            logger.info("%s: an interrupted compaction of %d to %d is completed", directory, offset, end)
            for base in bases:
                if offset <= base < end:
                    for kind in SEGMENT_SUFFIXES:
                        files.unlink(os.path.join(directory, offset_name(base, kind)))
    # The indexes first: with `.log.swap` still there, an interruption begins again above.
    for name, _, _ in sorted(swaps, key=lambda swap: swap[2] == LOG_SUFFIX + SWAP_SUFFIX):
        files.rename(os.path.join(directory, name), os.path.join(directory, name.removesuffix(SWAP_SUFFIX)))


def _end_offset(files: Files, path: str, base_offset: int) -> int:
    """The offset behind the last batch of a segment's file; behind its base offset when it is empty."""
    end = base_offset + 1
    try:
        for piece, pos, _, magic in stored_frames(files, path, files.size(path), _PIECE_BYTES):
            if magic == 2:
                end = read_header(piece, pos).next_offset
            else:
                end = int.from_bytes(piece[pos : pos + 8], "big") + 1
    except CorruptRecordError as error:
        logger.warning("%s", error)
    return end
