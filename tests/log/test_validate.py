"""Produce, request by request as the behaviour of Apache Kafka 4.3.1 shows it: code, log start offset, message, record
errors.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from kwire.errors import ErrorCode, KafkaError
from kwire.log.log import Log
from kwire.log.validate import AppendRefused, RecordsInvalid
from kwire.wire.compression import compress
from kwire.wire.legacy import build_message_set
from kwire.wire.record_batch import HEADER, read_header, rewrite_crc
from kwire.wire.records import Record, read_records
from tests.log.building import NOW, append, batch, headers_in, new_log, read_all, read_bytes, records_in, values

HOUR_MS = 3_600_000


def patched(records: bytearray, **fields: int) -> bytearray:
    """The batch with header fields overwritten, its checksum made right again."""
    HEADER.pack_into(records, 0, *read_header(records)._replace(**fields))
    rewrite_crc(records)
    return records


def with_records(data: bytes, **fields: int) -> bytearray:
    """A batch of one declared record around the bytes `data`."""
    head = read_header(batch(b"x"))._replace(batch_length=49 + len(data))._replace(**fields)
    records = bytearray(HEADER.pack(*head)) + data
    rewrite_crc(records)
    return records


def flipped(records: bytearray) -> bytearray:
    records[-1] ^= 1
    return records


def cut(records: bytearray, size: int) -> bytearray:
    return records[: len(records) - size]


def magic(records: bytearray, value: int) -> bytearray:
    records[16] = value
    return records


LEGACY = build_message_set([Record(0, NOW, b"k", b"v", (), -1)], magic=1)
FILLED, UNFILLED = True, False

REFUSED: dict[str, tuple[Callable[[], bytes | bytearray], ErrorCode, bool, bool]] = {
    # what comes -> code, whether the answer has the log's start, whether it has a message
    "empty": (lambda: b"", ErrorCode.INVALID_RECORD, UNFILLED, True),
    "truncated batch": (lambda: cut(batch(b"v"), 1), ErrorCode.INVALID_RECORD, UNFILLED, True),
    "a few bytes": (lambda: b"\0" * 11, ErrorCode.INVALID_RECORD, UNFILLED, True),
    "two batches": (lambda: batch(b"v") + batch(b"w"), ErrorCode.INVALID_RECORD, UNFILLED, True),
    "good and bad batch": (lambda: batch(b"v") + flipped(batch(b"w")), ErrorCode.INVALID_RECORD, UNFILLED, True),
    "magic 3": (lambda: magic(batch(b"v"), 3), ErrorCode.CORRUPT_MESSAGE, UNFILLED, True),
    "magic 1": (lambda: LEGACY, ErrorCode.INVALID_RECORD, UNFILLED, True),
    "length 5": (lambda: b"\0" * 11 + b"\5" + b"\0" * 90, ErrorCode.CORRUPT_MESSAGE, UNFILLED, True),
    "length of no batch": (
        lambda: b"\0" * 11 + b"\x10" + b"\0" * 4 + b"\2" + b"\0" * 11,
        ErrorCode.CORRUPT_MESSAGE,
        UNFILLED,
        False,
    ),
    "checksum": (lambda: flipped(batch(b"v")), ErrorCode.CORRUPT_MESSAGE, UNFILLED, False),
    "too large": (lambda: batch(b"v" * 1_048_588), ErrorCode.MESSAGE_TOO_LARGE, UNFILLED, False),
    "count 2 of 1": (
        lambda: patched(batch(b"v"), record_count=2, last_offset_delta=1),
        ErrorCode.INVALID_RECORD,
        FILLED,
        False,
    ),
    "count 2, delta 0": (lambda: patched(batch(b"v"), record_count=2), ErrorCode.INVALID_RECORD, FILLED, False),
    "last offset delta": (lambda: patched(batch(b"v"), last_offset_delta=7), ErrorCode.INVALID_RECORD, FILLED, False),
    "count 0": (lambda: patched(batch(b"v"), record_count=0), ErrorCode.INVALID_RECORD, FILLED, False),
    "count 0, delta -1": (
        lambda: patched(batch(b"v"), record_count=0, last_offset_delta=-1),
        ErrorCode.INVALID_RECORD,
        FILLED,
        False,
    ),
    "count negative": (
        lambda: patched(batch(b"v"), record_count=-1, last_offset_delta=-2),
        ErrorCode.INVALID_RECORD,
        FILLED,
        False,
    ),
    "base offset 77": (lambda: batch(b"v", base_offset=77), ErrorCode.INVALID_RECORD, FILLED, False),
    "control bit": (lambda: batch(b"v", control=True), ErrorCode.INVALID_RECORD, FILLED, False),
    "producer without sequence": (
        lambda: batch(b"v", producer_id=9, producer_epoch=0),
        ErrorCode.INVALID_RECORD,
        FILLED,
        False,
    ),
    "codec 7": (lambda: patched(batch(b"v"), attributes=7), ErrorCode.UNKNOWN_SERVER_ERROR, FILLED, False),
    "not gzip": (lambda: patched(batch(b"v"), attributes=1), ErrorCode.UNKNOWN_SERVER_ERROR, FILLED, False),
    "not snappy": (lambda: patched(batch(b"v"), attributes=2), ErrorCode.UNKNOWN_SERVER_ERROR, FILLED, False),
    "not lz4": (lambda: patched(batch(b"v"), attributes=3), ErrorCode.UNKNOWN_SERVER_ERROR, FILLED, False),
    "not zstd": (lambda: patched(batch(b"v"), attributes=4), ErrorCode.UNKNOWN_SERVER_ERROR, FILLED, False),
    "gzip of nothing": (lambda: with_records(compress(1, b""), attributes=1), ErrorCode.INVALID_RECORD, FILLED, False),
    "trailing bytes": (lambda: with_records(bytes(batch(b"v")[61:]) + b"\0"), ErrorCode.INVALID_RECORD, FILLED, False),
    "record length beyond": (lambda: with_records(b"\x7e" + b"\0" * 10), ErrorCode.INVALID_RECORD, FILLED, False),
    "record length negative": (lambda: with_records(b"\x01" + b"\0" * 10), ErrorCode.INVALID_RECORD, FILLED, False),
    "no records at all": (lambda: with_records(b""), ErrorCode.INVALID_RECORD, FILLED, False),
}


@pytest.fixture
def log(tmp_path: Path) -> Log:
    log = new_log(tmp_path)
    for _ in range(5):
        append(log, batch(b"before"))
    log.update_high_watermark(5)
    log.delete_records(3)
    return log


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_answered_as_kafka_does_and_leaves_no_trace(log: Log, name: str) -> None:
    make, code, filled, told = REFUSED[name]
    before = read_bytes(log, 3)
    with pytest.raises(AppendRefused) as refusal:
        append(log, make())
    assert refusal.value.code == code
    assert refusal.value.log_start_offset == (3 if filled else -1)
    assert (refusal.value.message is not None) == told
    assert refusal.value.reason
    assert refusal.value.record_errors == []
    assert log.log_end_offset == 5
    assert read_bytes(log, 3) == before


ACCEPTED: dict[str, Callable[[], bytes | bytearray]] = {
    "one record": lambda: batch(b"v"),
    "null key and value": lambda: batch(None, key=None),
    "no timestamp": lambda: batch(b"v", timestamp=-1),
    "old": lambda: batch(b"v", timestamp=1),
    "timestamp type bit on a CreateTime topic": lambda: batch(b"v", timestamp_type=1),
    "torn batch behind a whole one": lambda: batch(b"v") + batch(b"w")[:40],
    "largest allowed": lambda: batch(b"v" * (1_048_588 - 61 - 12)),
    "a minute ahead": lambda: batch(b"v", timestamp=NOW + 60_000),
    **{f"codec {codec}": lambda codec=codec: batch(b"v", b"w", compression=codec) for codec in range(1, 5)},  # type: ignore[misc]
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_accepted(log: Log, name: str) -> None:
    info = append(log, ACCEPTED[name](), epoch=4)
    assert (info.first_offset, info.log_append_time_ms, info.log_start_offset) == (5, -1, 3)
    (header,) = headers_in(read_bytes(log, 5))
    assert (header.base_offset, header.partition_leader_epoch, header.timestamp_type) == (5, 4, 0)
    assert [record.offset for record in read_all(log)][2:] == list(range(5, info.last_offset + 1))


def test_zstd_is_for_produce_v7_and_up(log: Log) -> None:
    records = batch(b"v", compression=4)
    with pytest.raises(AppendRefused) as refusal:
        append(log, records, produce_version=6)
    assert (refusal.value.code, refusal.value.log_start_offset) == (ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, -1)
    assert append(log, records, produce_version=7).first_offset == 5


@pytest.mark.parametrize("format_magic", [0, 1])
@pytest.mark.parametrize("codec", [0, 1, 2, 3])
@pytest.mark.parametrize("version", [0, 1, 2])
def test_message_sets_of_the_elders_become_one_batch(log: Log, format_magic: int, codec: int, version: int) -> None:
    sent = [Record(i, NOW + i if format_magic else -1, b"k", b"v%d" % i, (), -1) for i in range(3)]
    data = build_message_set(sent, magic=format_magic, compression=codec)
    info = append(log, data, produce_version=version)
    assert (info.first_offset, info.last_offset) == (5, 7)
    (header,) = headers_in(read_bytes(log, 5))
    assert (header.magic, header.compression) == (2, codec)
    assert [(r.timestamp, r.value) for r in records_in(read_bytes(log, 5))] == [(r.timestamp, r.value) for r in sent]


def test_magic_2_in_an_old_produce_request_is_taken(log: Log) -> None:
    assert append(log, batch(b"v"), produce_version=2).first_offset == 5


def test_an_old_produce_request_without_a_message_writes_nothing(log: Log) -> None:
    assert append(log, b"", produce_version=2).first_offset == -1
    assert log.log_end_offset == 5


def test_a_corrupt_message_of_an_old_format(log: Log) -> None:
    with pytest.raises(AppendRefused) as refusal:
        append(log, flipped(bytearray(LEGACY)), produce_version=1)
    assert (refusal.value.code, refusal.value.log_start_offset) == (ErrorCode.CORRUPT_MESSAGE, -1)


def test_a_timestamp_two_hours_ahead_names_its_record(log: Log) -> None:
    with pytest.raises(RecordsInvalid) as refusal:
        append(log, batch(b"v", timestamp=NOW + 2 * HOUR_MS))
    assert (refusal.value.code, refusal.value.log_start_offset) == (ErrorCode.INVALID_TIMESTAMP, 3)
    assert [index for index, _ in refusal.value.record_errors] == [0]
    assert refusal.value.message


def test_a_timestamp_before_the_bound_names_its_record_but_no_timestamp_passes(tmp_path: Path) -> None:
    log = new_log(tmp_path, message_timestamp_before_max_ms=1000)
    from kwire.wire.records import build_batch

    mixed = build_batch([(NOW, b"k", b"a", ()), (NOW - 1001, b"k", b"b", ()), (NOW - 1000, b"k", b"c", ())])
    with pytest.raises(RecordsInvalid) as refusal:
        append(log, mixed)
    assert refusal.value.code == ErrorCode.INVALID_TIMESTAMP
    assert [index for index, _ in refusal.value.record_errors] == [1]
    assert append(log, batch(b"v", timestamp=-1)).first_offset == 0


def test_a_max_timestamp_that_cannot_be_true_is_made_true(log: Log) -> None:
    """Sarama sends -1; Kafka computes it from the records."""
    append(log, patched(batch(b"v", timestamp=NOW + 7), max_timestamp=-1))
    (header,) = headers_in(read_bytes(log, 5))
    assert header.max_timestamp == NOW + 7
    assert log.max_timestamp_offset() is not None
    assert log.max_timestamp_offset()[:2] == (NOW + 7, 5)  # type: ignore[index]


def test_log_append_time_is_set_in_the_batch_and_answered(tmp_path: Path) -> None:
    log = new_log(tmp_path, message_timestamp_type="LogAppendTime")
    info = append(log, batch(b"v", b"w", timestamp=5), now_ms=NOW + 3)
    assert info.log_append_time_ms == NOW + 3
    assert [record.timestamp for record in read_all(log)] == [NOW + 3, NOW + 3]
    with pytest.raises(RecordsInvalid) as refusal:
        append(log, batch(b"v", b"w", timestamp_type=1))
    assert refusal.value.code == ErrorCode.INVALID_TIMESTAMP
    assert [index for index, _ in refusal.value.record_errors] == [0, 1]


def test_a_count_that_lies_is_not_believed_when_records_are_named(tmp_path: Path) -> None:
    log = new_log(tmp_path, message_timestamp_type="LogAppendTime")
    lying = patched(batch(b"v", timestamp_type=1), record_count=2**31 - 1, last_offset_delta=2**31 - 2)
    with pytest.raises(AppendRefused) as refusal:
        append(log, lying)
    assert (refusal.value.code, refusal.value.record_errors) == (ErrorCode.INVALID_RECORD, [])
    assert log.log_end_offset == 0


def test_record_errors_are_bounded(tmp_path: Path) -> None:
    log = new_log(tmp_path, cleanup_policy=["compact"])
    with pytest.raises(RecordsInvalid) as refusal:
        append(log, batch(*[b""] * 20_000, key=None, compression=1))
    assert len(refusal.value.record_errors) == 10_000


@pytest.mark.parametrize("codec", range(5))
def test_a_compacted_topic_takes_no_null_key(tmp_path: Path, codec: int) -> None:
    from kwire.wire.records import build_batch

    log = new_log(tmp_path, cleanup_policy=["compact"])
    mixed = [(NOW, b"k", b"a", ()), (NOW, None, b"b", ()), (NOW, b"k", None, ()), (NOW, None, None, ())]
    with pytest.raises(RecordsInvalid) as refusal:
        append(log, build_batch(mixed, compression=codec))  # type: ignore[arg-type]
    assert (refusal.value.code, refusal.value.log_start_offset) == (ErrorCode.INVALID_RECORD, 0)
    assert [index for index, _ in refusal.value.record_errors] == [1, 3]
    assert refusal.value.message
    assert append(log, batch(None, compression=codec)).first_offset == 0


@pytest.mark.parametrize(
    ("option", "codec"), [("uncompressed", 0), ("gzip", 1), ("snappy", 2), ("lz4", 3), ("zstd", 4), ("producer", -1)]
)
@pytest.mark.parametrize("sent", range(5))
def test_compression_type_of_the_topic(tmp_path: Path, option: str, codec: int, sent: int) -> None:
    log = new_log(tmp_path, compression_type=option)
    append(log, batch(b"a" * 50, b"b" * 50, compression=sent, producer_id=8, producer_epoch=1, base_sequence=0))
    (header,) = headers_in(read_bytes(log, 0))
    assert header.compression == (sent if codec < 0 else codec)
    assert (header.producer_id, header.max_timestamp, header.record_count) == (8, NOW, 2)
    assert values(read_all(log)) == [b"a" * 50, b"b" * 50]


def test_a_batch_larger_than_a_segment(tmp_path: Path) -> None:
    log = new_log(tmp_path, segment_bytes=1000)
    with pytest.raises(AppendRefused) as refusal:
        append(log, batch(b"v" * 1000))
    assert (refusal.value.code, refusal.value.log_start_offset) == (ErrorCode.RECORD_LIST_TOO_LARGE, -1)


@pytest.mark.parametrize("seed", range(40))
def test_mutated_batches_are_refused_or_stored_readably(tmp_path: Path, seed: int) -> None:
    """Whatever passes with a right checksum can be read back, or its own producer lied inside of a record."""
    choice = random.Random(seed)
    log = new_log(tmp_path, cleanup_policy=["compact", "delete"])
    for _ in range(50):
        records = batch(*[b"v" * choice.randrange(20) for _ in range(choice.randrange(1, 6))])
        for _ in range(choice.randrange(1, 3)):
            at = choice.randrange(21, len(records))
            records[at] = choice.randrange(256)
        rewrite_crc(records)
        end = log.log_end_offset
        try:
            append(log, records)
        except KafkaError:
            assert log.log_end_offset == end
        else:
            data = read_bytes(log, end)
            assert len(read_records(data)) == log.log_end_offset - end
