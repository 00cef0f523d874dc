from __future__ import annotations

import random
import tracemalloc
from struct import pack, pack_into

import pytest

from kwire.wire.compression import GZIP, LZ4, SNAPPY, ZSTD, CompressionError, compress
from kwire.wire.crc import crc32
from kwire.wire.legacy import (
    build_message_set,
    encode_message,
    frames,
    message_batches,
    read_message_set,
)
from kwire.wire.primitives import WireError
from kwire.wire.record_batch import CREATE_TIME, LOG_APPEND_TIME, CorruptRecordError
from kwire.wire.records import InvalidRecordError, Record, build_batch

T = 1_700_000_000_000
CODECS = [0, GZIP, SNAPPY, LZ4]


def records(magic: int, offsets: list[int]) -> list[Record]:
    values: list[tuple[bytes | None, bytes | None]] = [(b"key", b"value"), (None, b""), (b"", None), (b"k", b"v" * 999)]
    return [Record(offset, T + n if magic else -1, *values[n % 4], (), -1) for n, offset in enumerate(offsets)]


def wrapper(inner: bytes, offset: int = 2, magic: int = 1, codec: int = GZIP, timestamp_type: int = 0) -> bytes:
    value = compress(codec, inner, magic=magic)
    return encode_message(offset, T, None, value, magic=magic, compression=codec, timestamp_type=timestamp_type)


def plain(offset: int, magic: int = 1) -> bytes:
    return encode_message(offset, T + offset, b"k", b"v", magic=magic)


@pytest.mark.parametrize("offsets", [[0, 1, 2, 3], [1000, 1001, 1002, 1003], [40, 45, 49, 2**40]])
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("magic", [0, 1])
def test_what_is_built_is_read(magic: int, codec: int, offsets: list[int]) -> None:
    wanted = records(magic, offsets)
    data = build_message_set(wanted, magic=magic, compression=codec)
    assert read_message_set(data) == wanted
    found = list(message_batches(data))
    assert len(found) == (1 if codec else 4)
    assert found[-1].last_offset == offsets[-1]
    assert {batch.compression for batch in found} == {codec}
    assert {batch.timestamp_type for batch in found} == {CREATE_TIME if magic else -1}
    assert found[-1].max_timestamp == (T + 3 if magic else -1)
    assert sum(batch.size for batch in found) == len(data)


@pytest.mark.parametrize("form", [bytes, bytearray, memoryview])
def test_any_buffer_at_any_position(form: type) -> None:
    data = form(b"??" + build_message_set(records(1, [3, 4]), magic=1) + b"partial")
    assert [record.offset for record in read_message_set(data, 2)] == [3, 4]
    assert type(read_message_set(data, 2)[0].key) is bytes


@pytest.mark.parametrize(("codec", "magic"), [(ZSTD, 1), (0, 2)])
def test_what_these_formats_do_not_know_cannot_be_built(codec: int, magic: int) -> None:
    with pytest.raises(ValueError, match="never zstd"):
        build_message_set(records(1, [0]), magic=magic, compression=codec)


def test_an_empty_set_cannot_be_built_but_is_read() -> None:
    with pytest.raises(ValueError, match="one record"):
        build_message_set([], magic=1)
    assert read_message_set(b"") == []


# --- wrappers


def test_relative_offsets_end_at_the_wrappers() -> None:
    inner = plain(0) + plain(1) + plain(2)
    assert [record.offset for record in read_message_set(wrapper(inner, 1002))] == [1000, 1001, 1002]
    assert [record.offset for record in read_message_set(wrapper(plain(0) + plain(4) + plain(7), 1009))] == [
        1002,
        1006,
        1009,
    ]


def test_a_wrapper_offset_of_0_was_never_set() -> None:
    assert [record.offset for record in read_message_set(wrapper(plain(0) + plain(1), 0))] == [0, 1]


def test_a_wrapper_offset_before_the_last_inner_one_is_refused() -> None:
    with pytest.raises(InvalidRecordError, match="before the last"):
        read_message_set(wrapper(plain(0) + plain(2), 1))


def test_magic_0_keeps_inner_offsets() -> None:
    inner = plain(40, 0) + plain(41, 0)
    assert [record.offset for record in read_message_set(wrapper(inner, 7, magic=0))] == [40, 41]


def test_log_append_time_is_the_wrappers() -> None:
    data = wrapper(plain(0) + plain(1), 1, timestamp_type=LOG_APPEND_TIME)
    assert [record.timestamp for record in read_message_set(data)] == [T, T]
    assert next(message_batches(data)).timestamp_type == LOG_APPEND_TIME
    mixed = wrapper(plain(0, 0), 0, timestamp_type=LOG_APPEND_TIME)
    assert [record.timestamp for record in read_message_set(mixed)] == [-1], "magic 0 has no time to replace"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (wrapper(b""), "empty"),
        (wrapper(plain(0)[:-1]), "empty"),
        (wrapper(wrapper(plain(0))), "inside of a compressed"),
        (wrapper(bytes(build_batch([(T, None, None, ())]))), "magic 2 inside"),
        (encode_message(0, T, None, None, magic=1, compression=GZIP), "null"),
        (encode_message(0, T, None, b"x", magic=1, compression=ZSTD), "zstd"),
    ],
)
def test_wrappers_that_are_invalid(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidRecordError, match=reason):
        read_message_set(data)


@pytest.mark.parametrize("codec", [5, 6, 7])
def test_unknown_codecs(codec: int) -> None:
    with pytest.raises(CompressionError, match="no codec"):
        read_message_set(encode_message(0, T, None, b"x", magic=1, compression=codec))


@pytest.mark.parametrize("codec", [GZIP, SNAPPY, LZ4])
def test_bombs_are_bounded(codec: int) -> None:
    bomb = wrapper(encode_message(0, T, None, bytes(5_000_000), magic=1), codec=codec)
    with pytest.raises(CompressionError, match="more than"):
        read_message_set(bomb, max_decompressed=1_000_000)


def test_many_small_bombs_share_one_bound() -> None:
    half = wrapper(encode_message(0, T, None, bytes(600_000), magic=1))
    assert len(read_message_set(half, max_decompressed=1_000_000)) == 1
    with pytest.raises(CompressionError):
        read_message_set(half * 2, max_decompressed=1_000_000)


# --- broken frames


@pytest.mark.parametrize("magic", [0, 1])
def test_a_flipped_bit_is_seen_outside_and_inside(magic: int) -> None:
    message = plain(0, magic)
    for pos in range(12, len(message)):
        broken = bytearray(message)
        broken[pos] ^= 4
        with pytest.raises(CorruptRecordError):
            read_message_set(broken)
        with pytest.raises((CorruptRecordError, InvalidRecordError)):
            read_message_set(wrapper(bytes(broken), 0, magic))


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("codec", CODECS)
def test_a_partial_tail_ends_the_set(magic: int, codec: int) -> None:
    data = build_message_set(records(magic, [0, 1]), magic=magic, compression=codec)
    for size in range(len(data)):
        assert len(read_message_set(data[:size])) < 2


@pytest.mark.parametrize("size", [-(2**31), -1, 0, 13])
def test_an_impossible_size_is_refused(size: int) -> None:
    data = bytearray(plain(0))
    data[8:12] = size.to_bytes(4, "big", signed=True)
    with pytest.raises(CorruptRecordError, match="smaller"):
        list(frames(data))


@pytest.mark.parametrize("size", [14, 21])
def test_magic_1_needs_22_bytes(size: int) -> None:
    data = bytearray(plain(0))
    data[8:12] = size.to_bytes(4, "big")
    with pytest.raises(CorruptRecordError, match="smaller"):
        read_message_set(data)


@pytest.mark.parametrize("magic", [3, 127, 255])
def test_an_unknown_magic_is_refused(magic: int) -> None:
    data = bytearray(plain(0))
    data[16] = magic
    with pytest.raises(CorruptRecordError, match="magic"):
        list(frames(data))


def test_frames_walk_over_every_magic() -> None:
    parts = [plain(0, 0), plain(1, 1), bytes(build_batch([(T, None, None, ())]))]
    buf = b"".join(parts) + parts[0][:20]
    assert [(size, magic) for _, size, magic in frames(buf)] == [(len(part), n) for n, part in enumerate(parts)]
    with pytest.raises(CorruptRecordError, match="magic 2"):
        read_message_set(buf)


@pytest.mark.parametrize("length", [-2, 4, 2**31 - 1])
def test_a_key_or_value_length_that_lies(length: int) -> None:
    for checked in (
        b"\0\0" + pack(">i", length) + pack(">i", -1),
        b"\0\0" + pack(">i", -1) + pack(">i", length),
    ):
        data = pack(">qiI", 0, len(checked) + 4, crc32(checked)) + checked
        if length < 0:
            assert read_message_set(data) == [Record(0, -1, None, None, (), -1)], "any negative length is null"
        elif checked[2:6] == pack(">i", 4):
            with pytest.raises(CorruptRecordError, match="cut"):
                read_message_set(data)
        else:
            with pytest.raises(CorruptRecordError, match="left"):
                read_message_set(data)


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("codec", CODECS)
def test_mutations_raise_only_our_errors_in_bounded_memory(magic: int, codec: int) -> None:
    rng = random.Random(codec * 2 + magic)
    data = build_message_set(records(magic, [0, 1, 2]), magic=magic, compression=codec)
    tracemalloc.start()
    try:
        for _ in range(300):
            broken = bytearray(data)
            for _ in range(rng.randint(1, 4)):
                broken[rng.randrange(min(len(broken), rng.choice([60, len(broken)])))] = rng.randrange(256)
            size = min(len(broken), 12 + max(int.from_bytes(broken[8:12], "big"), 14))
            # The first message's checksum is repaired, so that the bytes behind it are looked at.
            pack_into(">I", broken, 12, crc32(memoryview(broken)[16:size]))
            try:
                read_message_set(broken, max_decompressed=50_000)
            except WireError:
                continue
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000
