"""Steps that append: as a leader for all kinds of producers, and as a follower."""

from __future__ import annotations

from random import Random

from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition
from kwire.log.log import AppendRefused, Log
from kwire.wire.control import EndTransactionMarker, build_end_transaction_marker
from kwire.wire.record_batch import set_offset_and_epoch
from kwire.wire.records import build_batch
from tests.sim.batches import Producer, promise
from tests.sim.model import PartitionModel
from tests.sim.world import PRODUCERS, World

_GZIP = 1


_New = tuple[int, bytes, bytes | None, tuple[tuple[bytes, bytes], ...]]
"""Timestamp, key, value, headers."""


def _records(world: World, rng: Random) -> list[_New]:
    out: list[_New] = []
    for _ in range(rng.choice((1, 1, 2, 5))):
        timestamp = world.now_ms - rng.choice((0, 0, 0, 50, 7000))
        value = b"%d." % world.unique() + b"x" * rng.choice((0, 10, 10, 40, 40, 600))
        # Unlike any other in its key's stead where there is no value.
        is_tombstone = rng.random() < 0.1
        headers = ((b"n", value),) if is_tombstone else ()
        out.append((timestamp, b"key%d" % rng.randrange(5), None if is_tombstone else value, headers))
    return out


def _lead(world: World, topic_partition: TopicPartition, data: bytearray, *, from_client: bool = True) -> str:
    """Append as the leader; the model follows."""
    log, model = world.log(topic_partition), world.models[topic_partition]
    expected = bytearray(data)
    set_offset_and_epoch(expected, 0, model.end, world.leader_epoch)
    model.attempt(bytes(expected))
    try:
        info = log.append_as_leader(
            memoryview(data), leader_epoch=world.leader_epoch, now_ms=world.now_ms, from_client=from_client
        )
    except KafkaError as error:
        if error.code is ErrorCode.RECORD_LIST_TOO_LARGE and len(data) > world.config.segment_bytes:
            model.attempted.clear()
            return f"{len(data)} bytes are too large"
        raise
    promise(not info.duplicate and info.first_offset == model.end, f"{info} instead of an append at {model.end}")
    model.attempted.clear()
    model.appended(bytes(expected))
    promise(info.last_offset == model.end - 1, f"{info}, but the log should end at {model.end}")
    _flushed_by_count(world, log, model)
    return f"{topic_partition} gets {model.path[-1]} of {len(data)} bytes"


def _flushed_by_count(world: World, log: Log, model: PartitionModel) -> None:
    """`flush.messages` is counted here from what the log calls unflushed: only that it flushes at all is checked."""
    if world.settings["flush_messages"] == 1:
        promise(log.recovery_point == model.end, f"flush.messages is 1, and {log.recovery_point} is flushed")
    model.flushed_to(log.recovery_point)


def append(world: World, rng: Random) -> str:
    topic_partition = world.pick(rng)
    return _lead(world, topic_partition, build_batch(_records(world, rng), compression=rng.choice((0, 0, _GZIP))))


def _producer(model: PartitionModel, rng: Random) -> tuple[int, Producer]:
    producer_id = rng.choice(PRODUCERS)
    # One whose every batch was compacted away goes on from its newest epoch.
    unknown = Producer(model.newest_epochs.get(producer_id, 0), [], False)
    return producer_id, model.producer(producer_id) or unknown


def produce(world: World, rng: Random) -> str:
    """An idempotent or transactional producer goes on, or begins a new epoch."""
    topic_partition = world.pick(rng)
    model = world.models[topic_partition]
    producer_id, producer = _producer(model, rng)
    epoch, sequence = producer.epoch, producer.next_sequence
    if not producer.has_transaction and (
        not producer.batches or rng.random() < 0.1 or model.is_known_by_its_marker(producer_id)
    ):
        epoch, sequence = epoch + 1, 0
    transactional = producer.has_transaction or rng.random() < 0.5
    data = build_batch(
        _records(world, rng),
        producer_id=producer_id,
        producer_epoch=epoch,
        base_sequence=sequence,
        transactional=transactional,
    )
    return _lead(world, topic_partition, data) + f" from {producer_id}/{epoch} seq {sequence}"


def end_transaction(world: World, rng: Random) -> str:
    topic_partition = world.pick(rng)
    model = world.models[topic_partition]
    producer_id, producer = _producer(model, rng)
    if not producer.has_transaction:
        return "no transaction"
    committed = rng.random() < 0.4
    marker = build_end_transaction_marker(
        EndTransactionMarker(committed, 0),
        producer_id=producer_id,
        producer_epoch=producer.epoch,
        timestamp=world.now_ms,
    )
    outcome = "commits" if committed else "aborts"
    return f"{producer_id} {outcome}: " + _lead(world, topic_partition, marker, from_client=False)


def produce_again(world: World, rng: Random) -> str:
    """A batch comes a second time: it is answered with its offsets, or refused, and never written."""
    topic_partition = world.pick(rng)
    model = world.models[topic_partition]
    producer_id, producer = _producer(model, rng)
    if not producer.batches or producer_id in model.uncertain:
        return "nothing to repeat"
    batch = rng.choice(producer.batches)
    data = bytearray(model.origin(batch.data))
    set_offset_and_epoch(data, 0, 0, -1)
    try:
        info = world.log(topic_partition).append_as_leader(
            memoryview(data), leader_epoch=world.leader_epoch, now_ms=world.now_ms
        )
    except AppendRefused as refusal:
        if refusal.code is not ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER or model.is_surely_remembered(batch):
            raise
        return f"{batch} again is refused"
    offsets = batch.header.base_offset, batch.header.last_offset
    promise(info.duplicate and (info.first_offset, info.last_offset) == offsets, f"{batch} again: {info}")
    return f"{batch} again is recognised"


def produce_wrongly(world: World, rng: Random) -> str:
    """A gap in the sequence or an old epoch is refused."""
    topic_partition = world.pick(rng)
    model = world.models[topic_partition]
    producer_id, producer = _producer(model, rng)
    if not producer.batches or producer_id in model.uncertain:
        return "no producer to confuse"
    is_old = producer.epoch > 0 and rng.random() < 0.5
    wanted = ErrorCode.INVALID_PRODUCER_EPOCH if is_old else ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    data = build_batch(
        _records(world, rng),
        producer_id=producer_id,
        producer_epoch=producer.epoch - is_old,
        base_sequence=0 if is_old else producer.next_sequence + 3,
        transactional=producer.has_transaction,
    )
    try:
        info = world.log(topic_partition).append_as_leader(
            memoryview(data), leader_epoch=world.leader_epoch, now_ms=world.now_ms
        )
    except AppendRefused as refusal:
        if refusal.code is not wanted:
            raise
        return f"{producer_id} is refused: {wanted.name}"
    raise AssertionError(f"{wanted.name} is not raised: {info}")


def follow(world: World, rng: Random) -> str:
    """Append as a follower: several batches, offsets and epochs as the leader has them, perhaps with a gap."""
    topic_partition = world.pick(rng)
    log, model = world.log(topic_partition), world.models[topic_partition]
    at, parts = model.end + rng.choice((0, 0, 0, 4)), []
    path = list(model.path)
    for _ in range(rng.choice((1, 2, 3))):
        data = build_batch(_records(world, rng))
        set_offset_and_epoch(data, 0, at, world.leader_epoch)
        parts.append(bytes(data))
        model.attempt(bytes(data))
        model.path.append(model.batch(bytes(data)))
        at = model.path[-1].header.next_offset
    model.path = path
    torn = parts[-1][: rng.choice((0, 0, 40, 70))]
    info = log.append_as_follower(b"".join(parts) + torn, now_ms=world.now_ms)
    model.attempted.clear()
    for part in parts:
        model.appended(part)
    promise(info.last_offset == model.end - 1, f"{info}, but the log should end at {model.end}")
    _flushed_by_count(world, log, model)
    return f"{topic_partition} copies {model.path[-len(parts) :]}"
