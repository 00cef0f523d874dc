"""Everything that a broker serves of a set of topics, as values that can be compared before and after a swap."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from compat_tests.disk.client import EARLIEST, LATEST, MAX_TIMESTAMP, Client
from kwire.wire import legacy
from kwire.wire.record_batch import LOG_OVERHEAD, MAGIC_OFFSET, read_header
from kwire.wire.records import Record, read_records


class ServedPartition(NamedTuple):
    """One partition as consumers see it."""

    log_start: int
    log_end: int
    last_stable: int
    max_timestamp: tuple[int, int]
    epoch_ends: tuple[tuple[int, int], ...]
    """(epoch, end offset) that OffsetForLeaderEpoch answers, for each epoch up to the newest one in a batch."""
    hidden: frozenset[int]
    """Base offsets of the batches with records that a reader of committed records passes over.

    Not the list of aborted transactions itself: compaction takes the records of one away, after which an index that is
    rebuilt (which batches it covers depends on the recovery point) names it no longer, in Kafka and in kwire.
    """
    data: bytes
    """All batches, byte for byte."""


class ServedGroup(NamedTuple):
    """One group as DescribeGroups and OffsetFetch show it."""

    state: str
    protocol_type: str
    protocol: str
    members: tuple[tuple[str, str, bytes, bytes], ...]
    offsets: tuple[tuple[tuple[str, int], tuple[int, int, str | None]], ...]


class ServedTransaction(NamedTuple):
    """One transactional id as DescribeTransactions shows it."""

    state: str
    producer_id: int
    producer_epoch: int
    timeout_ms: int
    start_time_ms: int
    partitions: frozenset[tuple[str, int]]


class Served(NamedTuple):
    """What one broker serves."""

    partitions: dict[str, ServedPartition]
    groups: dict[str, ServedGroup]
    transactions: dict[str, ServedTransaction]

    @property
    def record_count(self) -> int:
        return sum(len(records) for view in self.partitions.values() for records in records_of(view.data))


def stored_batches(data: bytes | memoryview) -> Iterator[tuple[int, int, int]]:
    """(position, size, magic) of each whole batch or message, of any magic."""
    position = 0
    while len(data) - position > MAGIC_OFFSET:
        (length,) = struct.unpack_from(">i", data, position + 8)
        size = LOG_OVERHEAD + int(length)
        if position + size > len(data):
            return
        yield position, size, data[position + MAGIC_OFFSET]
        position += size


def records_of(data: bytes) -> Iterator[list[Record]]:
    """The records of each batch; each batch's checksum is the reader's own business."""
    for position, size, magic in stored_batches(data):
        if magic == 2:
            yield list(read_records(data, position))
        else:
            yield list(legacy.read_message_set(data[position : position + size]))


def _next_offset(data: memoryview, position: int, magic: int) -> int:
    if magic == 2:
        return read_header(data, position).next_offset
    (last,) = struct.unpack_from(">q", data, position)
    return int(last) + 1


def served_partition(client: Client, topic: str, partition: int, *, by_time: bool = True) -> ServedPartition:
    """Read one partition from its start to its end; `by_time` False where Kafka refuses to look by timestamps."""
    start = client.offset_at(topic, partition, EARLIEST)[1]
    end = client.offset_at(topic, partition, LATEST)[1]
    stable = client.offset_at(topic, partition, LATEST, committed=True)[1]
    parts: list[bytes] = []
    offset, epoch = start, -1
    while offset < end:
        chunk = bytes(client.fetch(topic, partition, offset).records or b"")
        if not chunk:
            raise AssertionError(f"{topic}-{partition}: nothing at {offset}, though the end is {end}")
        whole = 0
        for position, size, magic in stored_batches(chunk):
            offset, whole = _next_offset(memoryview(chunk), position, magic), position + size
            epoch = max(epoch, read_header(chunk, position).partition_leader_epoch if magic == 2 else -1)
        parts.append(chunk[:whole])
    known = range(epoch + 1)
    return ServedPartition(
        log_start=start,
        log_end=end,
        last_stable=stable,
        max_timestamp=client.offset_at(topic, partition, MAX_TIMESTAMP) if by_time else (-1, -1),
        epoch_ends=tuple(client.end_of_epoch(topic, partition, each) for each in known),
        hidden=frozenset(_hidden(client, topic, partition, start, stable)),
        data=b"".join(parts),
    )


def _hidden(client: Client, topic: str, partition: int, start: int, stable: int) -> Iterator[int]:
    """What a consumer skips by the aborted transactions that each answer names (KIP-98): see ServedPartition."""
    offset = start
    while offset < stable:
        answer = client.fetch(topic, partition, offset, committed=True)
        chunk = bytes(answer.records or b"")
        if not chunk:
            return
        first_offsets = {(each.first_offset, each.producer_id) for each in answer.aborted_transactions or ()}
        aborting: set[int] = set()
        for position, _, magic in stored_batches(chunk):
            offset = _next_offset(memoryview(chunk), position, magic)
            if magic < 2:
                continue
            header = read_header(chunk, position)
            begun = {each for each in first_offsets if each[0] < offset}
            first_offsets -= begun
            aborting |= {producer for _, producer in begun}
            if header.is_control:
                aborting.discard(header.producer_id)
            elif header.is_transactional and header.producer_id in aborting and header.record_count:
                yield header.base_offset


def served_group(client: Client, group: str) -> ServedGroup:
    client.await_coordinator(group)
    shown = client.describe_group(group)
    members = (
        (each.member_id, each.client_id, bytes(each.member_metadata), bytes(each.member_assignment))
        for each in shown.members
    )
    offsets = sorted(client.committed(group).items())
    return ServedGroup(
        shown.group_state, shown.protocol_type, shown.protocol_data, tuple(sorted(members)), tuple(offsets)
    )


def served_transaction(client: Client, transactional_id: str) -> ServedTransaction:
    shown = client.describe_transaction(transactional_id)
    return ServedTransaction(
        shown.transaction_state,
        shown.producer_id,
        shown.producer_epoch,
        shown.transaction_timeout_ms,
        shown.transaction_start_time_ms,
        frozenset((each.topic, partition) for each in shown.topics for partition in each.partitions),
    )


def served(
    client: Client,
    topics: Iterable[str],
    groups: Iterable[str],
    *,
    transactional_ids: Iterable[str] = (),
    by_time: bool = True,
) -> Served:
    """Read all partitions of the topics, the groups, and the states of the transactional ids."""
    topics = list(topics)
    counts = client.topics(topics)
    partitions = {
        f"{topic}-{partition}": served_partition(client, topic, partition, by_time=by_time)
        for topic in topics
        for partition in range(counts[topic])
    }
    return Served(
        partitions,
        {group: served_group(client, group) for group in groups},
        {name: served_transaction(client, name) for name in transactional_ids},
    )


def differences(before: Served, after: Served) -> list[str]:
    """What is not the same, one sentence each; nothing when the swap lost and changed nothing."""
    found: list[str] = []
    for name, old in before.partitions.items():
        new = after.partitions[name]
        for field in ServedPartition._fields:
            was, now = getattr(old, field), getattr(new, field)
            if was != now:
                shown = (f"{len(was)} bytes", f"{len(now)} bytes") if field == "data" else (was, now)
                found.append(f"{name}: {field} was {shown[0]}, is {shown[1]}")
    for name, was_group in before.groups.items():
        now_group = after.groups.get(name)
        if was_group != now_group:
            found.append(f"group {name} was {was_group}, is {now_group}")
    for name, was_transaction in before.transactions.items():
        now_transaction = after.transactions.get(name)
        if was_transaction != now_transaction:
            found.append(f"transactional id {name} was {was_transaction}, is {now_transaction}")
    return found
