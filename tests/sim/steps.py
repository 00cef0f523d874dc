"""The steps of a history: each does one thing to the log and to the model, compares, and says what it did.

A step draws all that it needs from a generator of its own, so that it does the same after other steps were taken out of
its history (`shrinking`).
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition
from kwire.log.log import AppendRefused, Log
from kwire.wire.control import EndTransactionMarker, build_end_transaction_marker
from kwire.wire.record_batch import set_offset_and_epoch
from kwire.wire.records import build_batch
from tests.sim import inspection
from tests.sim.faults import Fault, Kind
from tests.sim.model import Batch, PartitionModel, Producer, promise
from tests.sim.moving import move
from tests.sim.world import StorageFailedError, World

PRODUCERS = (11, 12, 13)
EXPIRATION_MS = 100_000
_GZIP = 1


class Step(NamedTuple):
    """A name of `STEPS` and the seed of its generator."""

    name: str
    seed: int


# Appending.


def _records(world: World, rng: Random) -> list[tuple[int, bytes | None, bytes | None, tuple[()]]]:
    out: list[tuple[int, bytes | None, bytes | None, tuple[()]]] = []
    for _ in range(rng.choice((1, 1, 2, 5))):
        timestamp = world.now_ms - rng.choice((0, 0, 0, 50, 7000))
        value = b"%d." % world.unique() + b"x" * rng.choice((0, 10, 10, 40, 40, 600))
        out.append((timestamp, b"key%d" % rng.randrange(5), value, ()))
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
        world.storage_failed(error)
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
    return producer_id, model.producer(producer_id) or Producer(0, [], False)


def produce(world: World, rng: Random) -> str:
    """An idempotent or transactional producer goes on, or begins a new epoch."""
    topic_partition = world.pick(rng)
    model = world.models[topic_partition]
    producer_id, producer = _producer(model, rng)
    epoch, sequence = producer.epoch, producer.next_sequence
    if not producer.has_transaction and (not producer.batches or rng.random() < 0.1):
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
    data = bytearray(batch.data)
    set_offset_and_epoch(data, 0, 0, -1)
    try:
        info = world.log(topic_partition).append_as_leader(
            memoryview(data), leader_epoch=world.leader_epoch, now_ms=world.now_ms
        )
    except AppendRefused as refusal:
        if refusal.code is not ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER or model.is_surely_remembered(batch):
            world.storage_failed(refusal)
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
            world.storage_failed(refusal)
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
        model.path.append(Batch(bytes(data)))
        at = model.path[-1].header.next_offset
    model.path = path
    torn = parts[-1][: rng.choice((0, 0, 40, 70))]
    try:
        info = log.append_as_follower(b"".join(parts) + torn, now_ms=world.now_ms)
    except KafkaError as error:
        world.storage_failed(error)
    model.attempted.clear()
    for part in parts:
        model.appended(part)
    promise(info.last_offset == model.end - 1, f"{info}, but the log should end at {model.end}")
    _flushed_by_count(world, log, model)
    return f"{topic_partition} copies {model.path[-len(parts) :]}"


# Reading.


def read(world: World, rng: Random) -> str:
    topic_partition = world.pick(rng)
    log, model = world.log(topic_partition), world.models[topic_partition]
    offset = rng.randint(model.start, model.end)
    bounds = {"high watermark": model.high_watermark, "stable": log.last_stable_offset, "end": model.end}
    name = rng.choice(list(bounds))
    try:
        size = inspection.check_read(
            log, model, offset, rng.choice((1, 90, 500, 5000)), bounds[name], rng.random() < 0.7
        )
    except KafkaError as error:
        world.storage_failed(error)
    return f"{topic_partition} read from {offset} to the {name}: {size} bytes"


def find_time(world: World, rng: Random) -> str:
    topic_partition = world.pick(rng)
    log, model = world.log(topic_partition), world.models[topic_partition]
    timestamp = rng.choice([record.timestamp for record in model.records] or [0]) + rng.choice((-1, 0, 0, 1))
    try:
        inspection.check_time(log, model, timestamp)
    except KafkaError as error:
        world.storage_failed(error)
    return f"{topic_partition} finds {timestamp}"


def find_aborted(world: World, rng: Random) -> str:
    topic_partition = world.pick(rng)
    log, model = world.log(topic_partition), world.models[topic_partition]
    first = rng.randint(model.start, model.end)
    last = rng.randint(first, max(first, log.last_stable_offset))
    try:
        if last <= log.last_stable_offset:
            inspection.check_aborted(log, model, first, last)
    except KafkaError as error:
        world.storage_failed(error)
    return f"{topic_partition} aborted from {first} to {last}"


# Life.


def raise_high_watermark(world: World, rng: Random) -> str:
    topic_partition = world.pick(rng)
    log, model = world.log(topic_partition), world.models[topic_partition]
    ends = [batch.header.next_offset for batch in model.kept] + [model.end]
    offset = rng.choice([end for end in ends if end >= model.high_watermark][-3:])
    log.update_high_watermark(offset)
    model.high_watermark = max(model.high_watermark, offset)
    return f"{topic_partition} high watermark {offset}"


def new_leader(world: World, rng: Random) -> str:
    world.leader_epoch += 1
    for topic_partition, model in world.models.items():
        world.log(topic_partition).assign_epoch_start(world.leader_epoch, model.end)
    return f"leader epoch {world.leader_epoch}"


def pass_time(world: World, rng: Random) -> str:
    world.pass_time(rng.choice((1000, 20_000, 70_000)))
    return f"it is {world.now_ms}"


def change_options(world: World, rng: Random) -> str:
    name, values = rng.choice(
        (("segment_bytes", (400, 900, 100_000)), ("retention_ms", (20_000, -1)), ("retention_bytes", (500, -1)))
    )
    world.set_option(name, rng.choice(values))
    return f"{name} = {world.settings[name]}"


def retain(world: World, rng: Random) -> str:
    topic_partition = world.pick(rng)
    log, model = world.log(topic_partition), world.models[topic_partition]
    bases = [segment.base_offset for segment in log.segments]
    wanted = _expected_begin(world, model, bases)
    try:
        log.delete_old_segments(world.now_ms)
    except KafkaError as error:
        model.may_begin_at = max(model.may_begin_at, wanted)
        model.moved_start(max(model.start, wanted))
        world.storage_failed(error)
    first = next(iter(log.segments)).base_offset
    promise(first == wanted, f"the first segment is {first} instead of {wanted}, of {bases}")
    model.begins_at_segment(first)
    return f"{topic_partition} retention: from {first}"


def _expected_begin(world: World, model: PartitionModel, bases: list[int]) -> int:
    """Base offset of the first segment that retention must keep."""
    ends = [*bases[1:], model.end]
    batches = [
        [batch for batch in model.kept if base <= batch.header.base_offset < end]
        for base, end in zip(bases, ends, strict=True)
    ]
    sizes = [sum(len(batch.data) for batch in inner) for inner in batches]
    oldest_allowed = world.now_ms - world.config.retention_ms
    begin = bases[0]
    too_much = sum(sizes) - world.config.retention_bytes
    by_age = world.config.retention_ms >= 0
    by_size = world.config.retention_bytes >= 0
    for slot, end in enumerate(ends):
        is_last = slot == len(bases) - 1
        too_much -= sizes[slot]
        if end > model.high_watermark or (is_last and not sizes[slot]):
            break
        by_age = by_age and bool(batches[slot]) and max(b.header.max_timestamp for b in batches[slot]) < oldest_allowed
        by_size = by_size and too_much >= 0
        if not (by_age or by_size or (end <= model.start and not is_last)):
            break
        begin = end
    return begin


def delete_records(world: World, rng: Random) -> str:
    topic_partition = world.pick(rng)
    log, model = world.log(topic_partition), world.models[topic_partition]
    offset = rng.randint(model.start, model.high_watermark)
    promise(log.delete_records(offset) == offset, f"DeleteRecords to {offset}")
    model.moved_start(offset)
    return f"{topic_partition} records before {offset} deleted"


def truncate(world: World, rng: Random) -> str:
    topic_partition = world.pick(rng)
    log, model = world.log(topic_partition), world.models[topic_partition]
    # Epochs tell a move what to drop again, and the appends that follow here may be of the same one.
    world.manager.relocations.cancel(topic_partition, world.now_ms)
    offset = rng.randint(max(model.start, model.end - 12), model.end)
    try:
        log.truncate_to(offset, world.now_ms)
    except KafkaError as error:
        model.truncation_failed(offset)
        world.storage_failed(error)
    model.truncated_to(offset)
    return f"{topic_partition} truncated to {offset}"


def truncate_fully(world: World, rng: Random) -> str:
    topic_partition = world.pick(rng)
    log, model = world.log(topic_partition), world.models[topic_partition]
    world.manager.relocations.cancel(topic_partition, world.now_ms)
    offset = max(0, model.end + rng.choice((-20, 5, 50)))
    try:
        log.truncate_fully_and_start_at(offset, world.now_ms)
    except KafkaError as error:
        model.emptying_failed(offset)
        world.storage_failed(error)
    model.emptied(offset)
    return f"{topic_partition} empty, from {offset}"


def _failed(world: World, error: OSError) -> StorageFailedError:
    promise(world.disk.faults.failed, f"failed without a cause: {error}")
    return StorageFailedError()


# What the broker does from time to time.


def flush(world: World, rng: Random) -> str:
    topic_partition = world.pick(rng)
    log, model = world.log(topic_partition), world.models[topic_partition]
    try:
        log.flush(world.now_ms)
    except KafkaError as error:
        world.storage_failed(error)
    model.flushed_to(model.end)
    return f"{topic_partition} flushed to {model.end}"


def flush_closed_segments(world: World, rng: Random) -> str:
    """As the broker does in a thread after a roll."""
    topic_partition = world.pick(rng)
    log, model = world.log(topic_partition), world.models[topic_partition]
    segments, end = log.unflushed_segments(), log.segments.active.base_offset
    try:
        log.flush_segments(segments)
    except OSError as error:
        raise _failed(world, error) from error
    log.flushed_to(end)
    model.flushed_to(end)
    return f"{topic_partition} {len(segments)} closed segments flushed, to {end}"


def checkpoint(world: World, rng: Random) -> str:
    world.manager.checkpoint(world.now_ms)
    if any(not directory.is_online for directory in world.manager.directories):
        raise StorageFailedError
    for model in world.models.values():
        model.checkpointed_start, model.checkpointed_high_watermark = model.start, model.high_watermark
    return "checkpoints written"


def checkpoint_high_watermarks(world: World, rng: Random) -> str:
    world.manager.checkpoint_high_watermarks()
    if any(not directory.is_online for directory in world.manager.directories):
        raise StorageFailedError
    return "high watermarks written"


def remove_due(world: World, rng: Random) -> str:
    return f"{world.manager.remove_due(world.now_ms)} removals"


def expire_producers(world: World, rng: Random) -> str:
    count = world.manager.expire_producers(world.now_ms, EXPIRATION_MS)
    for model in world.models.values():
        for producer_id in PRODUCERS:
            producer = model.producer(producer_id)
            if producer is not None and not producer.has_transaction:
                newest = max(b.header.max_timestamp for b in model.path if b.header.producer_id == producer_id)
                if world.now_ms - newest >= EXPIRATION_MS // 2:
                    model.uncertain.add(producer_id)
    return f"{count} producers forgotten"


def delete_topic(world: World, rng: Random) -> str:
    """Deleted and created anew: nothing of the old one may come back."""
    topic_partition = world.pick(rng)
    world.log(topic_partition)
    world.manager.delete(topic_partition, world.now_ms)
    world.models[topic_partition] = PartitionModel(world.new_topic_id())
    if any(not directory.is_online for directory in world.manager.directories):
        raise StorageFailedError
    return f"{topic_partition} deleted and created anew"


# Ends.


def stop(world: World, rng: Random) -> str:
    world.stop()
    if rng.random() < 0.3:
        world.cut_power(rng)
        return "stopped, power cut, started"
    world.start_after_stop()
    return "stopped and started"


def kill(world: World, rng: Random) -> str:
    world.kill()
    return "killed and started"


def cut_power(world: World, rng: Random) -> str:
    world.cut_power(rng)
    return "power cut, started"


# Faults.

_FAULTS = (
    (Kind.EIO, ("write", "fsync", "truncate", "rename", "unlink", "open", "read", "any")),
    (Kind.ENOSPC, ("write", "open", "rename")),
    (Kind.SHORT_WRITE, ("write",)),
    (Kind.SLOW, ("fsync", "write")),
    (Kind.TORN_RENAME, ("rename",)),
    (Kind.LOST_FSYNC, ("fsync",)),
)


def arm_fault(world: World, rng: Random) -> str:
    kind, operations = rng.choice(_FAULTS)
    where = rng.choice(("", "", "", ".log", ".index", ".timeindex", ".txnindex", ".snapshot", "checkpoint"))
    fault = Fault(
        kind, rng.choice(operations), where, after=rng.randrange(4), times=rng.choice((1, -1)), bit=rng.randrange(5000)
    )
    world.disk.faults.arm(fault)
    return f"{fault}"


StepFunction = Callable[[World, Random], str]

STEPS: dict[str, tuple[int, StepFunction]] = {
    "append": (20, append),
    "produce": (20, produce),
    "end transaction": (8, end_transaction),
    "produce again": (4, produce_again),
    "produce wrongly": (3, produce_wrongly),
    "follow": (6, follow),
    "read": (10, read),
    "find time": (4, find_time),
    "find aborted": (4, find_aborted),
    "raise high watermark": (10, raise_high_watermark),
    "new leader": (3, new_leader),
    "pass time": (6, pass_time),
    "change options": (2, change_options),
    "retain": (5, retain),
    "delete records": (3, delete_records),
    "truncate": (4, truncate),
    "truncate fully": (1, truncate_fully),
    "flush": (3, flush),
    "flush closed segments": (5, flush_closed_segments),
    "checkpoint": (5, checkpoint),
    "checkpoint high watermarks": (2, checkpoint_high_watermarks),
    "remove due": (4, remove_due),
    "expire producers": (1, expire_producers),
    "delete topic": (1, delete_topic),
    "move": (6, move),
    "stop": (3, stop),
    "kill": (4, kill),
    "cut power": (4, cut_power),
    "arm fault": (3, arm_fault),
}
"""Name -> how often, relative to the others, and what it does."""
