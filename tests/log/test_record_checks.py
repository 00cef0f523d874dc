"""Records looked into: compressed anew, prepared in a thread, converted from old message sets."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from kwire.errors import ErrorCode
from kwire.log.record_checks import prepare
from kwire.log.validate import (
    MOST_BYTES_AT_ONCE,
    MOST_RECORDS_AT_ONCE,
    AppendRefused,
    PreparationNeeded,
    RecordsInvalid,
    valid_record_set,
)
from kwire.wire import compression
from kwire.wire.compression import GZIP, LZ4, NAMES, NONE, ZSTD
from kwire.wire.legacy import build_message_set, encode_message
from kwire.wire.record_batch import HEADER, as_header, verify
from kwire.wire.records import Record, build_batch, read_records, seal_compressed
from tests.log.building import NOW, append, batch, config, headers_in, new_log, read_bytes, records_in

VALUES = [b"value %d" % (n % 7) * 20 for n in range(200)]


def view(data: bytes | bytearray) -> memoryview:
    return memoryview(bytearray(data))


@pytest.mark.parametrize("sent", range(5), ids=NAMES)
@pytest.mark.parametrize("wanted", ["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"])
def test_the_topics_codec_wins(tmp_path: Path, wanted: str, sent: int) -> None:
    log = new_log(tmp_path, compression_type=wanted)
    produced = batch(*VALUES, compression=sent, producer_id=7, producer_epoch=1, base_sequence=0)
    append(log, produced)
    (header,) = headers_in(read_bytes(log, 0))
    expected = sent if wanted == "producer" else 0 if wanted == "uncompressed" else NAMES.index(wanted)
    assert (header.compression, header.producer_id, header.record_count) == (expected, 7, 200)
    assert records_in(read_bytes(log, 0)) == read_records(produced)


def test_a_batch_is_decompressed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    plain = compression.decompress

    def counted(codec: int, data: bytes, *, max_size: int, magic: int = 2) -> bytes:
        calls.append(codec)
        return plain(codec, data, max_size=max_size, magic=magic)

    monkeypatch.setattr(compression, "decompress", counted)
    valid_record_set(view(batch(*VALUES, compression=GZIP)), config(compression_type="lz4"), NOW, 9)
    valid_record_set(view(batch(*VALUES, compression=LZ4)), config(cleanup_policy=["compact"]), NOW, 9)
    assert calls == [GZIP, LZ4]


@pytest.mark.parametrize(("codec", "low", "high"), [("gzip", 1, 9), ("lz4", 1, 17), ("zstd", -100, 19)])
def test_levels_make_batches_larger_or_smaller(tmp_path: Path, codec: str, low: int, high: int) -> None:
    text = [bytes((n * n + i * i) % 97 + 30 for i in range(200)) for n in range(200)]
    log = new_log(tmp_path, compression_type=codec)
    sizes = []
    for level in (low, high):
        log.config = config(compression_type=codec, **{f"compression_{codec}_level": level})
        offset = append(log, batch(*text)).first_offset
        sizes.append(headers_in(read_bytes(log, offset))[0].size)
    assert sizes[1] < sizes[0]


def test_what_recompression_makes_too_large_is_refused() -> None:
    small = batch(*VALUES, compression=ZSTD)
    limited = config(compression_type="uncompressed", max_message_bytes=len(small))
    with pytest.raises(AppendRefused, match="recompressed") as refusal:
        valid_record_set(view(small), limited, NOW, 9)
    assert refusal.value.code == ErrorCode.MESSAGE_TOO_LARGE


# --- too much for the event loop


def many(count: int, compression: int = ZSTD) -> bytearray:
    return build_batch([(NOW, b"k", b"x" * (n % 3), []) for n in range(count)], compression=compression)


@pytest.mark.parametrize("compression", [NONE, ZSTD])
@pytest.mark.parametrize("settings", [{}, {"cleanup_policy": ["compact"]}, {"compression_type": "gzip"}])
def test_more_records_than_may_be_walked_at_once(tmp_path: Path, settings: dict[str, object], compression: int) -> None:
    log = new_log(tmp_path, **settings)
    large = many(MOST_RECORDS_AT_ONCE + 1, compression)
    with pytest.raises(PreparationNeeded):
        log.append_as_leader(view(large), leader_epoch=0, now_ms=NOW)
    assert log.log_end_offset == 0
    assert append(log, large).last_offset == MOST_RECORDS_AT_ONCE
    assert records_in(read_bytes(log, 0)) == read_records(large)
    assert append(log, many(MOST_RECORDS_AT_ONCE - 1, compression)).first_offset == MOST_RECORDS_AT_ONCE + 1


def test_much_data_is_not_compressed_anew_at_once() -> None:
    large = batch(bytes(2 << 20), compression=ZSTD)
    wanted = config(compression_type="gzip")
    with pytest.raises(PreparationNeeded):
        valid_record_set(view(large), wanted, NOW, 9)
    valid = valid_record_set(view(large), wanted, NOW, 9, prepare(bytes(large), wanted, NOW))
    assert valid is not None
    assert (valid.header.compression, read_records(valid.records)[0].value) == (GZIP, bytes(2 << 20))


def test_rules_are_those_of_the_moment_of_the_append() -> None:
    large = many(MOST_RECORDS_AT_ONCE + 1)
    prepared = prepare(bytes(large), config(), NOW)
    strict = config(message_timestamp_before_max_ms=1000)
    with pytest.raises(RecordsInvalid) as refusal:
        valid_record_set(view(large), strict, NOW + 5000, 9, prepared)
    assert refusal.value.code == ErrorCode.INVALID_TIMESTAMP
    valid = valid_record_set(view(large), config(compression_type="lz4"), NOW, 9, prepared)
    assert valid is not None
    assert verify(valid.records).compression == LZ4


def test_what_is_wrong_with_a_large_batch_is_told_at_the_append() -> None:
    large = many(MOST_RECORDS_AT_ONCE + 5)
    large[57:61] = (MOST_RECORDS_AT_ONCE + 4).to_bytes(4, "big")
    large[23:27] = (MOST_RECORDS_AT_ONCE + 3).to_bytes(4, "big")
    from kwire.wire.record_batch import rewrite_crc

    rewrite_crc(large)
    with pytest.raises(AppendRefused) as refusal:
        valid_record_set(view(large), config(), NOW, 9, prepare(bytes(large), config(), NOW))
    assert refusal.value.code == ErrorCode.INVALID_RECORD


# --- message sets of magic 0 and 1

RECORDS = [Record(n, NOW + n, b"k", b"v%d" % n, (), -1) for n in range(3)]


def refused(data: bytes, **settings: object) -> AppendRefused:
    topic = config(**settings)
    with pytest.raises(AppendRefused) as refusal:
        valid_record_set(view(data), topic, NOW, 2, prepare(data, topic, NOW))
    return refusal.value


def test_a_compressed_message_stands_alone() -> None:
    one = build_message_set(RECORDS, magic=1, compression=GZIP)
    plain = build_message_set(RECORDS, magic=1)
    for data in (one + one, plain + one, one + plain):
        assert refused(data).code == ErrorCode.INVALID_RECORD


def test_magics_are_not_mixed() -> None:
    assert refused(build_message_set(RECORDS, magic=1) + build_message_set(RECORDS, magic=0)).code == (
        ErrorCode.INVALID_RECORD
    )


def test_each_message_is_held_against_the_limit() -> None:
    assert refused(build_message_set(RECORDS, magic=1), max_message_bytes=20).code == ErrorCode.MESSAGE_TOO_LARGE


def test_append_time_is_not_for_old_producers_to_set() -> None:
    data = encode_message(0, NOW, None, b"v", magic=1, timestamp_type=1)
    error = refused(data, message_timestamp_type="LogAppendTime")
    assert (error.code, len(error.record_errors)) == (ErrorCode.INVALID_TIMESTAMP, 1)


def test_a_small_message_set_is_converted_at_once_and_others_are_not() -> None:
    small = build_message_set(RECORDS, magic=1)
    assert valid_record_set(view(small), config(), NOW, 2) is not None
    for data in (build_message_set(RECORDS, magic=1, compression=GZIP), small * 1000):
        with pytest.raises(PreparationNeeded):
            valid_record_set(view(data), config(), NOW, 2)


def test_a_message_set_goes_straight_to_the_topics_codec(tmp_path: Path) -> None:
    log = new_log(tmp_path, compression_type="zstd")
    append(log, build_message_set(RECORDS, magic=1, compression=GZIP), produce_version=2)
    (header,) = headers_in(read_bytes(log, 0))
    assert header.compression == ZSTD
    assert [(r.timestamp, r.value) for r in records_in(read_bytes(log, 0))] == [(r.timestamp, r.value) for r in RECORDS]


@pytest.mark.parametrize("magic", [0, 1])
def test_null_keys_and_timestamps_of_old_messages_are_judged_as_all_are(magic: int) -> None:
    data = encode_message(0, NOW - 5000, None, b"v", magic=magic)
    assert refused(data, cleanup_policy=["compact"]).code == ErrorCode.INVALID_RECORD
    if magic:
        assert refused(data, message_timestamp_before_max_ms=1000).code == ErrorCode.INVALID_TIMESTAMP


@pytest.mark.parametrize("codec", [1, 2, 3, 4])
def test_what_decompresses_to_much_is_looked_into_in_a_thread(codec: int) -> None:
    large = batch(bytes(MOST_BYTES_AT_ONCE), compression=codec)
    with pytest.raises(PreparationNeeded):
        valid_record_set(view(large), config(), NOW, 9)
    valid = valid_record_set(view(large), config(), NOW, 9, prepare(bytes(large), config(), NOW))
    assert valid is not None
    assert bytes(valid.records) == large


def test_untimely_records_are_named_by_the_thread() -> None:
    wanted, late = config(message_timestamp_after_max_ms=10), NOW + 11
    count = MOST_RECORDS_AT_ONCE + 1
    large = build_batch(((late if index == 7 else -1, b"k", None, ()) for index in range(count)), compression=1)
    prepared = prepare(bytes(large), wanted, NOW)
    with pytest.raises(RecordsInvalid) as refused:
        valid_record_set(view(large), wanted, NOW, 9, prepared)
    assert [index for index, _ in refused.value.record_errors] == [7]
    assert prepared.untimely == refused.value.record_errors
    # Nothing is walked again when it is appended.
    nameless = prepared._replace(untimely=[(3, "as prepared")])
    with pytest.raises(RecordsInvalid) as refused:
        valid_record_set(view(large), wanted, NOW, 9, nameless)
    assert refused.value.record_errors == [(3, "as prepared")]


@pytest.mark.parametrize("count", [2, MOST_RECORDS_AT_ONCE + 1])
def test_records_without_timestamps_are_never_too_old(count: int) -> None:
    wanted = config(message_timestamp_before_max_ms=10)
    stamped = build_batch((NOW if index else -1, b"k", None, ()) for index in range(count))
    prepared = prepare(bytes(stamped), wanted, NOW) if count > 2 else None
    valid = valid_record_set(view(stamped), wanted, NOW, 9, prepared)
    assert valid is not None
    assert valid.header.max_timestamp == NOW


def test_a_compressed_message_set_is_converted_message_by_message() -> None:
    """What a few kilobytes decompress to is never there as objects all at once."""
    messages = [Record(n, NOW, None, bytes(100), (), -1) for n in range(40_000)]
    wrapper = build_message_set(messages, magic=1, compression=GZIP)
    del messages
    tracemalloc.start()
    prepared = prepare(wrapper, config(), NOW)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert prepared.refusal is None
    assert verify(prepared.batch).record_count == 40_000
    assert peak < 3 * 40_000 * 110


def in_frames(data: bytes) -> bytes:
    return compression.compress(LZ4, data[:1000]) + compression.compress(LZ4, data[1000:])


def in_linked_blocks(data: bytes) -> bytes:
    import lz4.frame

    return bytes(lz4.frame.compress(data, block_linked=True))


@pytest.mark.parametrize("wanted", ["producer", "gzip"])
@pytest.mark.parametrize(
    ("packed", "code"),
    [(in_frames, ErrorCode.INVALID_RECORD), (in_linked_blocks, ErrorCode.UNKNOWN_SERVER_ERROR)],
)
def test_lz4_that_java_consumers_cannot_read_is_not_stored(
    packed: Callable[[bytes], bytes], code: ErrorCode, wanted: str
) -> None:
    plain = batch(*[b"%d" % n * 1000 for n in range(100)])
    header = as_header(HEADER.unpack_from(plain))
    sent = seal_compressed(header._replace(attributes=LZ4), packed(bytes(plain[61:])))
    assert refused(sent, compression_type=wanted).code is code
