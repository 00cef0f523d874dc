"""Comparisons of a log with its model, and of its index files with its batches."""

from __future__ import annotations

from random import Random
from struct import Struct

from kwire.errors import KafkaError
from kwire.log.files import INDEX_SUFFIX, LOG_SUFFIX, TIME_INDEX_SUFFIX, parse_offset_name
from kwire.log.log import Log
from kwire.wire.parts import FileRange
from kwire.wire.record_batch import BatchHeader, CorruptRecordError, batches, verify
from tests.sim import compacted
from tests.sim.batches import promise
from tests.sim.disk import SimDisk
from tests.sim.model import PartitionModel
from tests.sim.stability import may_be_stable

_OFFSET_ENTRY = Struct(">ii")
_TIME_ENTRY = Struct(">qi")
_TIMES_CHECKED = 4


def content(records: FileRange | bytes) -> bytes:
    """What a client would receive."""
    if isinstance(records, bytes):
        return records
    file = records.owner
    return bytes(file.file.data[records.position : records.position + records.size])  # type: ignore[attr-defined]


def segment_paths(disk: SimDisk, directory: str) -> list[str]:
    """The `.log` files of a partition directory, ascending; none if it does not exist."""
    if not disk.is_directory(directory):
        return []
    parsed = {path: parse_offset_name(path.rpartition("/")[2]) for path in disk.walk(directory)}
    return [path for path, found in parsed.items() if found is not None and found[1] == LOG_SUFFIX]


def check_offsets(log: Log, model: PartitionModel) -> None:
    # After every step of every history: nothing is put into words that is not needed.
    seen = (log.log_start_offset, log.high_watermark, log.log_end_offset)
    wanted = (model.start, model.high_watermark, model.end)
    if seen != wanted:
        promise(False, f"{log.topic_partition}: start, high watermark, end are {seen} instead of {wanted}")
    stable = log.last_stable_offset
    if not may_be_stable(model, stable):
        promise(False, f"{log.topic_partition}: last stable offset is {stable}")
    flushed = max(model.flushed, model.may_be_flushed)
    if log.recovery_point > flushed:
        promise(False, f"recovery point {log.recovery_point}, flushed is {flushed}")
    size = sum([len(batch.data) for batch in model.kept])
    if log.size != size:
        promise(False, f"{log.topic_partition} says that it has {log.size} bytes, not {size}")


def check_read(log: Log, model: PartitionModel, offset: int, max_bytes: int, up_to: int, min_one: bool) -> int:
    """Read as a fetch does; how many bytes came. They are a beginning of what the model has from there on."""
    received = content(log.read(offset, max_bytes, up_to=up_to, min_one_message=min_one).records)
    readable = model.batches_from(offset, up_to)
    what = f"read of {max_bytes} bytes from {offset} below {up_to}"
    promise(b"".join(batch.data for batch in readable).startswith(received), f"{what}: wrong bytes")
    if not readable:
        return 0
    first_size = len(readable[0].data)
    promise(len(received) <= (max(max_bytes, first_size) if min_one else max_bytes), f"{what}: {len(received)} came")
    promise(len(received) >= (first_size if min_one else min(max_bytes, first_size)), f"{what}: {len(received)} came")
    return len(received)


def check_records(log: Log, model: PartitionModel) -> None:
    """Every batch, fetched one after another as a consumer does."""
    offset = model.start
    for batch in model.batches_from(offset, model.end):
        received = content(log.read(offset, 1, up_to=model.end, min_one_message=True).records)
        promise(received == batch.data, f"read at {offset}: not {batch}")
        offset = batch.header.next_offset
    promise(log.read(model.end, 1, up_to=model.end, min_one_message=True).records == b"", "a read behind the end")


def check_no_invented_records(log: Log, model: PartitionModel) -> None:
    """Whatever is damaged: each batch that a consumer is given was appended, or its checksum gives it away."""
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        try:
            received = content(log.read(offset, 1, up_to=log.log_end_offset, min_one_message=True).records)
            header = verify(received)
        except (KafkaError, CorruptRecordError):
            offset += 1
            continue
        promise(model.was_appended(received), f"a record that nobody appended at {offset}")
        offset = max(offset + 1, header.next_offset)


def check_times(log: Log, model: PartitionModel) -> None:
    """The first record at or behind some of the timestamps that there are, and the one with the largest."""
    timestamps = sorted({record.timestamp + delta for record in model.records for delta in (0, 1)})
    for timestamp in Random(model.end).sample(timestamps, min(len(timestamps), _TIMES_CHECKED)):
        check_time(log, model, timestamp)
    found, wanted = log.max_timestamp_offset(), model.with_largest_timestamp()
    if found is None and wanted and compacted.is_later_emptied(model, wanted.timestamp):
        # As in Kafka: a batch that was emptied keeps its largest timestamp, and no record says where that was.
        return
    promise(
        (found and found[:2]) == (wanted and (wanted.timestamp, wanted.offset)),
        f"largest timestamp: {found}, not {wanted}",
    )


def check_time(log: Log, model: PartitionModel, timestamp: int) -> None:
    found, wanted = log.offset_for_timestamp(timestamp), model.first_at_or_after(timestamp)
    promise(
        (found and found[:2]) == (wanted and (wanted.timestamp, wanted.offset)),
        f"first record at or after {timestamp}: {found}, not {wanted}",
    )


def check_transactions(log: Log, model: PartitionModel) -> None:
    """Aborted transactions, asked for every range between two batches below the last stable offset."""
    bounds = [batch.header.base_offset for batch in model.kept if batch.header.base_offset >= model.start]
    end = log.last_stable_offset
    for first in bounds:
        if first < end:
            check_aborted(log, model, first, end)


def check_aborted(log: Log, model: PartitionModel, first: int, last: int) -> None:
    doubtful = model.doubtful
    if model.is_rewritten:
        _check_aborted_that_are_left(log, model, first, last)
        return
    found = {entry[:3] for entry in log.aborted_transactions(first, last) if entry.producer_id not in doubtful}
    wanted = {entry for entry in model.aborted(first, last) if entry[0] not in doubtful}
    promise(found == wanted, f"aborted between {first} and {last}: {sorted(found)}, not {sorted(wanted)}")


def _check_aborted_that_are_left(log: Log, model: PartitionModel, first: int, last: int) -> None:
    """In a log that was compacted: those are told of which something is left, and none that was not aborted."""
    doubtful = model.doubtful
    found = {(entry.producer_id, entry.last_offset): entry for entry in log.aborted_transactions(first, last)}
    wanted = [entry for entry in model.aborted(first, last) if entry[0] not in doubtful]
    for producer_id, first_offset, last_offset in wanted:
        entry = found.pop((producer_id, last_offset), None)
        has_data = compacted.has_data(model, producer_id, first_offset, last_offset)
        promise(entry is not None or not has_data, f"aborted and not told: {producer_id} at {first_offset}")
        promise(entry is None or not has_data or entry.first_offset <= first_offset, f"{entry}, not {first_offset}")
    ended = {name for name, transaction in model.ended.items() if transaction.is_aborted}
    extra = {name for name in found if name[0] not in doubtful} - ended
    promise(not extra, f"aborted between {first} and {last}: {extra}, and never were")


def check_epochs(log: Log, model: PartitionModel) -> None:
    for epoch, ends in model.epoch_ends().items():
        found, end = log.end_offset_for_epoch(epoch)
        promise(found == epoch and end in ends, f"epoch {epoch} ends at {end} of {found}, not in {ends}")


def check_indexes(disk: SimDisk, log: Log) -> None:
    """Every entry of every index file points at what it says, in order."""
    for path in segment_paths(disk, log.directory):
        base = int(path.rpartition("/")[2].removesuffix(LOG_SUFFIX))
        headers = dict(batches(disk.content(path)))
        stem = path.removesuffix(LOG_SUFFIX)
        _check_offset_index(disk.content(stem + INDEX_SUFFIX), base, headers, stem)
        _check_time_index(disk.content(stem + TIME_INDEX_SUFFIX), base, list(headers.values()), stem)


def _check_offset_index(data: bytes, base: int, headers: dict[int, BatchHeader], name: str) -> None:
    previous = 0
    for relative, position in _OFFSET_ENTRY.iter_unpack(data[: len(data) - len(data) % _OFFSET_ENTRY.size]):
        if position == 0:
            break
        promise(position > previous, f"{name}.index: position {position} behind {previous}")
        # An append of several batches has one entry: where it begins, and the last offset of all of it.
        header, offset = headers.get(position), base + relative
        is_last = any(h.last_offset == offset for at, h in headers.items() if at >= position)
        promise(header is not None and is_last, f"{name}.index: offset {offset} at {position}")
        previous = position


def _check_time_index(data: bytes, base: int, headers: list[BatchHeader], name: str) -> None:
    previous = -1
    for timestamp, relative in _TIME_ENTRY.iter_unpack(data[: len(data) - len(data) % _TIME_ENTRY.size]):
        if (timestamp, relative) == (0, 0):
            break
        promise(timestamp > previous, f"{name}.timeindex: {timestamp} behind {previous}")
        upto = [header for header in headers if header.last_offset <= base + relative]
        largest = max((header.max_timestamp for header in upto), default=-1)
        promise(
            largest == timestamp and upto[-1].last_offset == base + relative,
            f"{name}.timeindex: {timestamp} at {relative}, where the largest is {largest}",
        )
        previous = timestamp
