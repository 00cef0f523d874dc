"""What the coordinators of a data directory would know: groups, committed offsets, transactions.

The records of the internal topics are replayed in order, as the coordinators do it: a tombstone takes its fact back,
offsets that were committed in a transaction count once its COMMIT marker follows. Batches that are damaged are passed
over, where a coordinator would refuse to load: this is to look, not to serve.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from kwire.errors import KafkaError
from kwire.ids import TopicPartition
from kwire.log.files import LOG_SUFFIX, parse_offset_name
from kwire.log.offline.record_decoders import (
    GROUP_RECORDS,
    TRANSACTION_RECORDS,
    CoordinatorRecord,
    read_coordinator_record,
)
from kwire.log.offline.stored_file import StoredFile, walk
from kwire.log.producer_journal import marker_of
from kwire.wire.primitives import WireError
from kwire.wire.record_batch import BatchHeader, verify
from kwire.wire.records import Record, read_records

TRANSACTION_STATES = (
    "Empty",
    "Ongoing",
    "PrepareCommit",
    "PrepareAbort",
    "CompleteCommit",
    "CompleteAbort",
    "Dead",
    "PrepareEpochFence",
)
_IN_DOUBT = frozenset((1, 2, 3, 7))
_GROUP_TYPES = {2: "classic", 3: "consumer", 11: "share", 17: "streams"}
"""Record types that make a group, and the group's type."""


class CommittedOffset(NamedTuple):
    """What a group committed for a partition; the timestamp in ms."""

    offset: int
    leader_epoch: int
    metadata: str
    timestamp: int


class Group:
    """A group: `generation` is its generation or epoch, `members` how many a classic group has."""

    __slots__ = ("generation", "kind", "members", "name", "offsets")

    def __init__(self, name: str) -> None:
        self.name = name
        self.kind = "offsets only"
        self.generation = -1
        self.members = 0
        self.offsets: dict[TopicPartition, CommittedOffset] = {}


class Transaction(NamedTuple):
    """A transactional id and the state of its last transaction; `partitions` take part in it."""

    transactional_id: str
    producer_id: int
    producer_epoch: int
    state: str
    is_in_doubt: bool
    partitions: list[TopicPartition]
    last_update_ms: int


def read_groups(directories: Iterable[str]) -> dict[str, Group]:
    """The groups in partition directories of `__consumer_offsets`, by name. Raises OSError."""
    groups: dict[str, Group] = {}
    for directory in directories:
        pending: dict[int, list[CoordinatorRecord]] = {}
        for header, records, committed in _batches(directory):
            if committed is not None:
                for record in pending.pop(header.producer_id, []):
                    if committed:
                        _apply(record, groups)
                continue
            for found in _decoded(records, GROUP_RECORDS):
                if header.is_transactional:
                    pending.setdefault(header.producer_id, []).append(found)
                else:
                    _apply(found, groups)
    return groups


def read_transactions(directories: Iterable[str]) -> dict[str, Transaction]:
    """The transactional ids in partition directories of `__transaction_state`. Raises OSError."""
    transactions: dict[str, Transaction] = {}
    for directory in directories:
        for _, records, _ in _batches(directory):
            for found in _decoded(records, TRANSACTION_RECORDS):
                name = found.key.transactional_id
                transactions.pop(name, None)
                if found.value is not None:
                    transactions[name] = _transaction(name, found.value)
    return transactions


def _batches(directory: str) -> Iterator[tuple[BatchHeader, list[Record], bool | None]]:
    """(header, records, None) of each sound batch, (header, [], whether committed) of each marker."""
    for name in sorted(os.listdir(directory)):
        parsed = parse_offset_name(name)
        if parsed is None or parsed[1] != LOG_SUFFIX:
            continue
        with StoredFile(os.path.join(directory, name)) as file:
            batches = walk(file)
            while True:
                try:
                    batch = next(batches, None)
                    if batch is None:
                        break
                    header = verify(batch.data)
                    if header.is_control:
                        marker = marker_of(batch.data, header)
                        if marker is not None:
                            yield header, [], marker.is_commit
                    else:
                        yield header, read_records(batch.data), None
                except (WireError, KafkaError):
                    # After a broken frame the walk is over; after a damaged batch it goes on.
                    continue


def _decoded(records: list[Record], types: dict[int, tuple[str, str]]) -> Iterator[CoordinatorRecord]:
    for record in records:
        try:
            yield read_coordinator_record(record, types)
        except WireError:
            continue


def _apply(record: CoordinatorRecord, groups: dict[str, Group]) -> None:
    key, value = record.key, record.value
    name: str | None = getattr(key, "group", None) or getattr(key, "group_id", None)
    if name is None:
        return
    if record.number in (0, 1):
        partition = TopicPartition(key.topic, key.partition)
        if value is not None:
            groups.setdefault(name, Group(name)).offsets[partition] = _committed(value)
        elif name in groups:
            groups[name].offsets.pop(partition, None)
            if not groups[name].offsets and groups[name].kind == "offsets only":
                del groups[name]
    elif record.number in _GROUP_TYPES:
        if value is not None:
            group = groups.setdefault(name, Group(name))
            group.kind = _GROUP_TYPES[record.number]
            group.generation = value.generation if record.number == 2 else value.epoch
            group.members = len(value.members) if record.number == 2 else group.members
        elif name in groups and groups[name].kind == _GROUP_TYPES[record.number]:
            groups[name].kind = "offsets only"
            if not groups[name].offsets:
                del groups[name]


def _committed(value: Any) -> CommittedOffset:
    epoch = getattr(value, "leader_epoch", -1)
    return CommittedOffset(value.offset, epoch, value.metadata, value.commit_timestamp)


def _transaction(name: str, value: Any) -> Transaction:
    status = value.transaction_status
    return Transaction(
        name,
        value.producer_id,
        value.producer_epoch,
        TRANSACTION_STATES[status] if 0 <= status < len(TRANSACTION_STATES) else f"unknown({status})",
        status in _IN_DOUBT,
        [
            TopicPartition(entry.topic, index)
            for entry in value.transaction_partitions or []
            for index in entry.partition_ids
        ],
        value.transaction_last_update_timestamp_ms,
    )
