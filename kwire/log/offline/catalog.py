"""What lies in data directories: whose they are, and their partitions with offsets, sizes and epochs.

Nothing is verified and little is read: of each log the last segment from its last index entry on, and the newest
producer snapshot with what was written since.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kwire.ids import ZERO_UUID, TopicPartition
from kwire.log import leader_epochs
from kwire.log.checkpoints import (
    CLEANER_POINTS,
    HIGH_WATERMARKS,
    LOG_STARTS,
    META_PROPERTIES,
    PARTITION_METADATA,
    CorruptCheckpointError,
    parse_meta_properties,
    parse_offsets,
    parse_partition_metadata,
)
from kwire.log.files import INDEX_SUFFIX, LOG_SUFFIX, SNAPSHOT_SUFFIX, offset_name, parse_offset_name
from kwire.log.files import parse_partition_directory as parse_directory
from kwire.log.offline.stored_file import StoredFile, read_file, read_sparse, walk
from kwire.log.offset_index import OffsetIndex
from kwire.log.producer_journal import marker_of
from kwire.log.producer_snapshot import CorruptSnapshotError, decode_snapshot
from kwire.log.producer_state import ProducerStateManager
from kwire.wire.primitives import WireError
from kwire.wire.record_batch import HEADER, RECORD_BATCH_OVERHEAD, BatchHeader

QUORUM_TOPIC = "__cluster_metadata"
"""KRaft's own log: the metadata of a Kafka 4 cluster, which no broker serves as a topic."""


class StoredPartition(NamedTuple):
    """One partition directory. Offsets as a consumer would see them; `log_bytes` of the `.log` files."""

    partition: TopicPartition
    directory: str
    topic_id: bytes
    start_offset: int
    end_offset: int
    high_watermark: int
    segment_count: int
    log_bytes: int
    epochs: list[tuple[int, int]]
    open_transactions: dict[int, int]
    """First offset of each transaction that no marker has ended -> producer id."""
    max_producer_id: int
    is_compacted: bool


class DataDirectory(NamedTuple):
    """One entry of `log.dirs`. `broker_id` is -1 and `cluster_id` empty when it does not say."""

    path: str
    broker_id: int
    cluster_id: str
    is_quorum: bool
    """Whether a Kafka in KRaft mode wrote it."""
    partitions: list[StoredPartition]


def read_directory(path: str) -> DataDirectory:
    """The catalogue of one data directory, partitions in order. Raises OSError."""
    properties = parse_meta_properties(_read(os.path.join(path, META_PROPERTIES)))
    number = properties.get("broker.id", properties.get("node.id", ""))
    checkpoints = {name: read_checkpoint(path, name) for name in (HIGH_WATERMARKS, LOG_STARTS, CLEANER_POINTS)}
    found = []
    for name in os.listdir(path):
        partition = parse_directory(name)
        directory = os.path.join(path, name)
        if partition is not None and os.path.isdir(directory):
            found.append(_read_partition(partition, directory, checkpoints))
    return DataDirectory(
        path,
        int(number) if number.isdecimal() else -1,
        properties.get("cluster.id", ""),
        properties.get("version") == "1",
        sorted(found),
    )


def read_checkpoint(directory: str, name: str) -> dict[TopicPartition, int]:
    """A checkpoint's offsets, none when it is missing or damaged. Raises OSError."""
    try:
        return parse_offsets(_read(os.path.join(directory, name)))
    except CorruptCheckpointError:
        return {}


def _read(path: str) -> bytes:
    try:
        return read_file(path)
    except FileNotFoundError:
        return b""


def _read_partition(
    partition: TopicPartition, directory: str, checkpoints: dict[str, dict[TopicPartition, int]]
) -> StoredPartition:
    bases, snapshots, log_bytes = [], [], 0
    for entry in os.scandir(directory):
        parsed = parse_offset_name(entry.name)
        if parsed is not None and parsed[1] == LOG_SUFFIX:
            bases.append(parsed[0])
            log_bytes += entry.stat().st_size
        elif parsed is not None and parsed[1] == SNAPSHOT_SUFFIX:
            snapshots.append(parsed[0])
    bases.sort()
    end = _end_offset(directory, bases[-1]) if bases else 0
    start = max(bases[0] if bases else 0, min(checkpoints[LOG_STARTS].get(partition, 0), end))
    producers = _producers(directory, bases, sorted(snapshots))
    open_transactions = {
        entry.txn_first_offset: entry.producer_id
        for entry in producers.entries.values()
        if entry.txn_first_offset is not None
    }
    return StoredPartition(
        partition,
        directory,
        parse_partition_metadata(_read(os.path.join(directory, PARTITION_METADATA)) or None),
        start,
        end,
        min(checkpoints[HIGH_WATERMARKS].get(partition, end), end),
        len(bases),
        log_bytes,
        leader_epochs.parse(_read(os.path.join(directory, leader_epochs.FILE_NAME))),
        dict(sorted(open_transactions.items())),
        max(producers.entries, default=-1),
        partition in checkpoints[CLEANER_POINTS],
    )


def _end_offset(directory: str, base: int) -> int:
    """Behind the last whole batch, found from the last index entry on; from the start where that cannot be right."""
    for position in (_last_indexed(directory, base), 0):
        last_offset = max(_headers(directory, base, position), default=None)
        if last_offset is not None:
            return last_offset + 1
    return base


def _headers(directory: str, base: int, position: int) -> Iterator[int]:
    """The last offset of each whole batch from `position` on."""
    with StoredFile(os.path.join(directory, offset_name(base, LOG_SUFFIX))) as file:
        try:
            for batch in walk(file, position):
                first = int.from_bytes(batch.data[:8], signed=True)
                if batch.magic >= 2 and len(batch.data) >= RECORD_BATCH_OVERHEAD:
                    yield first + int.from_bytes(batch.data[23:27], signed=True)
                else:
                    # Under magic 0 and 1 the offset in front is the last one.
                    yield first
        except WireError:
            return


def _last_indexed(directory: str, base: int) -> int:
    """The position in the last entry of the offset index; 0 without one."""
    try:
        data, _ = read_sparse(os.path.join(directory, offset_name(base, INDEX_SUFFIX)))
    except FileNotFoundError:
        return 0
    used = -(-len(data.rstrip(b"\0")) // OffsetIndex.ENTRY_SIZE) * OffsetIndex.ENTRY_SIZE
    if not used:
        return 0
    position: int
    _, position = OffsetIndex.ENTRY.unpack(data[used - OffsetIndex.ENTRY_SIZE : used].ljust(8, b"\0"))
    return max(position, 0)


def _producers(directory: str, bases: list[int], snapshots: Iterable[int]) -> ProducerStateManager:
    """Producers as of the log's end: the newest sound snapshot, and the batches behind it."""
    producers = ProducerStateManager()
    taken = 0
    for offset in sorted(snapshots, reverse=True):
        try:
            entries = decode_snapshot(_read(os.path.join(directory, offset_name(offset, SNAPSHOT_SUFFIX))))
        except CorruptSnapshotError:
            continue
        producers.reload(entries, offset)
        taken = offset
        break
    for slot, base in enumerate(bases):
        if slot + 1 < len(bases) and bases[slot + 1] <= taken:
            continue
        with StoredFile(os.path.join(directory, offset_name(base, LOG_SUFFIX))) as file:
            try:
                for batch in walk(file):
                    if batch.magic != 2 or len(batch.data) < RECORD_BATCH_OVERHEAD:
                        continue
                    header = BatchHeader._make(HEADER.unpack_from(batch.data))
                    if header.base_offset >= taken and header.has_producer:
                        completed = producers.update(header, marker_of(batch.data, header))
                        if completed is not None:
                            producers.complete(completed)
            except WireError:
                continue
    return producers


def topics_of(partitions: Iterable[StoredPartition]) -> dict[str, list[StoredPartition]]:
    """The partitions by topic, in order."""
    topics: dict[str, list[StoredPartition]] = {}
    for stored in sorted(partitions):
        topics.setdefault(stored.partition.topic, []).append(stored)
    return topics


def topic_id_of(partitions: Iterable[StoredPartition]) -> bytes:
    """The id that most partitions of a topic have; zero when none says."""
    counts: dict[bytes, int] = {}
    for stored in partitions:
        if stored.topic_id != ZERO_UUID:
            counts[stored.topic_id] = counts.get(stored.topic_id, 0) + 1
    return max(counts, key=counts.__getitem__, default=ZERO_UUID)
