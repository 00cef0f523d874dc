"""The files of a partition directory as a start finds them, after unfinished work was tidied up.

`.deleted` and `.cleaned` files are removed, a `.swap` segment replaces those it was made of (`swap`), an index without
its segment is removed. Alien files are left alone. Source: Kafka's `LogLoader`.
"""

from __future__ import annotations

import os

from kwire.log import txn_index
from kwire.log.files import (
    CLEANED_SUFFIX,
    DELETED_SUFFIX,
    INDEX_SUFFIX,
    LOG_SUFFIX,
    SEGMENT_SUFFIXES,
    SNAPSHOT_SUFFIX,
    SWAP_SUFFIX,
    TEMPORARY_SUFFIX,
    TIME_INDEX_SUFFIX,
    TXN_INDEX_SUFFIX,
    Files,
    offset_name,
    parse_offset_name,
)
from kwire.log.offset_index import OffsetIndex
from kwire.log.time_index import TimeIndex
from kwire.named_tuple import NamedTuple

_UNFINISHED = (DELETED_SUFFIX, CLEANED_SUFFIX, SWAP_SUFFIX)


class Listing(NamedTuple):
    """What a partition directory holds, by base offset; sizes in bytes."""

    logs: dict[int, int]
    indexes: set[int]
    time_indexes: set[int]
    torn_indexes: set[int]
    """Where an index's size is no multiple of its entries'."""
    torn_txn_indexes: set[int]
    snapshots: list[int]


def list_directory(directory: str, files: Files) -> Listing:
    """The listing, after unfinished work of deletion and compaction is removed or completed. Raises OSError."""
    entries = files.entries(directory)
    if any(name.endswith(_UNFINISHED) for name, _ in entries):
        from kwire.log.swap import resolve_orphans

        resolve_orphans(directory, files, [name for name, _ in entries])
        entries = files.entries(directory)
    listing = Listing({}, set(), set(), set(), set(), [])
    segment_files: set[int] = set()
    for name, size in entries:
        parsed = parse_offset_name(name)
        if parsed is None:
            continue
        offset, suffix = parsed
        if suffix in SEGMENT_SUFFIXES:
            segment_files.add(offset)
        if suffix == LOG_SUFFIX:
            listing.logs[offset] = size
        elif suffix == INDEX_SUFFIX:
            listing.indexes.add(offset)
            if size % OffsetIndex.ENTRY_SIZE:
                listing.torn_indexes.add(offset)
        elif suffix == TIME_INDEX_SUFFIX:
            listing.time_indexes.add(offset)
            if size % TimeIndex.ENTRY_SIZE:
                listing.torn_indexes.add(offset)
        elif suffix == TXN_INDEX_SUFFIX:
            if size % txn_index.ENTRY_SIZE:
                listing.torn_txn_indexes.add(offset)
        elif suffix == SNAPSHOT_SUFFIX:
            listing.snapshots.append(offset)
        elif suffix == SNAPSHOT_SUFFIX + TEMPORARY_SUFFIX:
            files.unlink(os.path.join(directory, name))
    # One of a kind is enough: a power cut may have left any part of a deletion undone.
    for offset in segment_files - listing.logs.keys():
        for suffix in SEGMENT_SUFFIXES[1:]:
            files.unlink(os.path.join(directory, offset_name(offset, suffix)))
    return listing
