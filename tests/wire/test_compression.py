from __future__ import annotations

import gzip
import random
import sys
import tracemalloc
from collections.abc import Callable
from time import perf_counter

import pytest

from kwire.errors import ErrorCode, KafkaError
from kwire.wire import compression
from kwire.wire.compression import GZIP, LZ4, NAMES, NONE, SNAPPY, ZSTD, CompressionError, compress, decompress

CODECS = [GZIP, SNAPPY, LZ4, ZSTD]
MEGABYTE = 1 << 20
TEXT = b"".join(b'{"id":%d,"name":"user%d"}' % (n, n * 7919 % 1000) for n in range(5000))


def by_name(codec: int) -> str:
    return NAMES[codec]


@pytest.mark.parametrize("data", [b"", b"x", TEXT, bytes(200_000), random.Random(1).randbytes(100_000)])
@pytest.mark.parametrize(
    ("codec", "magic"),
    [(codec, magic) for codec in (NONE, *CODECS) for magic in (0, 1, 2) if codec != ZSTD or magic == 2],
)
def test_what_is_compressed_comes_back(codec: int, data: bytes, magic: int) -> None:
    assert decompress(codec, compress(codec, data, magic=magic), max_size=len(data), magic=magic) == data


@pytest.mark.parametrize("form", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("codec", [NONE, *CODECS], ids=by_name)
def test_any_buffer_serves(codec: int, form: type) -> None:
    packed = compress(codec, form(TEXT))
    assert type(packed) is bytes
    unpacked = decompress(codec, form(packed), max_size=MEGABYTE)
    assert type(unpacked) is bytes
    assert unpacked == TEXT


@pytest.mark.parametrize(("codec", "levels"), [(GZIP, [1, 6, 9, -1]), (LZ4, [1, 3, 9, 12, 17]), (ZSTD, [-5, 1, 3, 19])])
def test_levels(codec: int, levels: list[int]) -> None:
    for level in levels:
        assert decompress(codec, compress(codec, TEXT, level=level), max_size=MEGABYTE) == TEXT


def test_kafkas_default_lz4_level_is_the_fast_compressor() -> None:
    assert compress(LZ4, TEXT, level=9) == compress(LZ4, TEXT)
    assert len(compress(LZ4, TEXT, level=8)) < len(compress(LZ4, TEXT))


@pytest.mark.parametrize("codec", [NONE, *CODECS], ids=by_name)
def test_one_byte_more_than_the_bound_is_refused(codec: int) -> None:
    with pytest.raises(CompressionError, match="more than"):
        decompress(codec, compress(codec, TEXT), max_size=len(TEXT) - 1)


@pytest.mark.parametrize("codec", CODECS, ids=by_name)
def test_a_bomb_takes_memory_near_its_bound_only(codec: int) -> None:
    bomb = compress(codec, bytes(64 * MEGABYTE))
    tracemalloc.start()
    try:
        with pytest.raises(CompressionError, match="more than"):
            decompress(codec, bomb, max_size=MEGABYTE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * MEGABYTE + len(bomb)


def test_a_snappy_block_that_declares_gigabytes_costs_nothing() -> None:
    declared = b"\xff\xff\xff\xff\x0f" + bytes(20)
    tracemalloc.start()
    try:
        with pytest.raises(CompressionError, match="cannot hold"):
            decompress(SNAPPY, declared, max_size=1 << 33)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MEGABYTE


@pytest.mark.parametrize("codec", CODECS, ids=by_name)
def test_cut_anywhere_it_is_refused_or_a_prefix_of_whole_blocks(codec: int) -> None:
    packed = compress(codec, TEXT[:1000])
    for size in range(len(packed)):
        try:
            out = decompress(codec, packed[:size], max_size=MEGABYTE)
        except CompressionError:
            continue
        # Only the xerial frame has no end of its own: cut after its header it is an empty stream.
        assert codec == SNAPPY
        assert out == b""


@pytest.mark.parametrize("codec", CODECS, ids=by_name)
def test_mutated_bytes_raise_only_our_error_and_stay_in_bounds(codec: int) -> None:
    rng = random.Random(codec)
    packed = compress(codec, TEXT[:3000])
    for _ in range(1500):
        broken = bytearray(packed)
        for _ in range(rng.randint(1, 4)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        try:
            assert len(decompress(codec, broken, max_size=10_000)) <= 10_000
        except CompressionError:
            continue


@pytest.mark.parametrize("codec", CODECS, ids=by_name)
def test_noise_and_nothing_raise_only_our_error(codec: int) -> None:
    rng = random.Random(7)
    for size in [0, 1, 2, 3, 7, 15, 16, 17, 100]:
        with pytest.raises(CompressionError):
            decompress(codec, b"\xff" * size, max_size=MEGABYTE)
        for _ in range(50):
            try:
                decompress(codec, rng.randbytes(size), max_size=1000)
            except CompressionError:
                continue


@pytest.mark.parametrize("codec", [-1, 5, 6, 7, 100])
def test_unknown_codecs_are_refused(codec: int) -> None:
    with pytest.raises(CompressionError, match="no codec"):
        compress(codec, b"")
    with pytest.raises(CompressionError, match="no codec"):
        decompress(codec, b"", max_size=10)


@pytest.mark.parametrize(
    ("codec", "modules"),
    [(SNAPPY, ["snappy"]), (LZ4, ["lz4", "lz4.frame"]), (ZSTD, ["compression", "backports", "backports.zstd"])],
)
def test_a_missing_library_is_an_unsupported_compression_type(
    codec: int, modules: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = compress(codec, TEXT)
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    calls: list[Callable[[], bytes]] = [
        lambda: compress(codec, TEXT),
        lambda: decompress(codec, packed, max_size=MEGABYTE),
    ]
    for call in calls:
        with pytest.raises(KafkaError) as caught:
            call()
        assert caught.value.code is ErrorCode.UNSUPPORTED_COMPRESSION_TYPE


# --- gzip


def test_gzip_members_follow_one_another() -> None:
    packed = b"".join(gzip.compress(TEXT[n : n + 1000]) for n in range(0, len(TEXT), 1000))
    assert decompress(GZIP, packed, max_size=MEGABYTE) == TEXT


def test_what_follows_the_last_gzip_member_is_ignored() -> None:
    assert decompress(GZIP, gzip.compress(b"abc") + b"padding", max_size=10) == b"abc"


def test_the_bound_counts_all_members() -> None:
    with pytest.raises(CompressionError, match="more than"):
        decompress(GZIP, gzip.compress(bytes(600)) * 2, max_size=1000)


@pytest.mark.parametrize("codec", [GZIP, ZSTD], ids=by_name)
def test_many_streams_are_read_and_more_are_refused_in_little_time(codec: int) -> None:
    empty = compress(codec, b"")
    assert decompress(codec, empty * 999 + compress(codec, b"abc"), max_size=10) == b"abc"
    started = perf_counter()
    with pytest.raises(CompressionError, match="streams"):
        decompress(codec, empty * (64 * MEGABYTE // len(empty)), max_size=10)
    # Copying the rest for every stream would be 64 gigabytes, half a minute.
    assert perf_counter() - started < 5


# --- snappy


def test_raw_snappy_is_read() -> None:
    import snappy

    assert decompress(SNAPPY, snappy.compress(TEXT), max_size=MEGABYTE) == TEXT


def test_snappy_is_written_in_java_blocks_of_32_kilobytes() -> None:
    packed = compress(SNAPPY, bytes(70_000))
    assert packed[:16] == bytes.fromhex("82534e415050590000000001 00000001")
    sizes, pos = [], 16
    while pos < len(packed):
        size = int.from_bytes(packed[pos : pos + 4], "big")
        sizes.append(len(decompress(SNAPPY, packed[pos + 4 : pos + 4 + size], max_size=MEGABYTE)))
        pos += 4 + size
    assert sizes == [32768, 32768, 70_000 - 65536]


def test_java_snappy_streams_follow_one_another() -> None:
    assert decompress(SNAPPY, compress(SNAPPY, b"abc") + compress(SNAPPY, b"def"), max_size=10) == b"abcdef"


@pytest.mark.parametrize("size", [-1, 5, 1 << 30])
def test_a_snappy_block_length_that_lies(size: int) -> None:
    with pytest.raises(CompressionError):
        decompress(
            SNAPPY, compress(SNAPPY, b"") + size.to_bytes(4, "big", signed=True) + b"\x03\x08abc"[:4], max_size=9
        )


# --- lz4


def test_lz4_frames_are_what_java_reads() -> None:
    packed = compress(LZ4, bytes(200_000))
    flags, descriptor = packed[4], packed[5]
    assert packed[:4] == bytes.fromhex("04224d18")
    assert flags >> 6 == 1, "version 1"
    assert flags & 0x20, "independent blocks"
    assert not flags & 0x08, "no content size"
    assert descriptor >> 4 == 4, "blocks of 64 KiB"


@pytest.mark.parametrize("magic", [0, 1, 2])
def test_linked_lz4_blocks_are_refused_as_java_does(magic: int) -> None:
    import lz4.frame

    linked = lz4.frame.compress(bytes(200_000), block_linked=True)
    with pytest.raises(CompressionError, match="depend"):
        decompress(LZ4, linked, max_size=MEGABYTE, magic=magic)


@pytest.mark.parametrize("rest", [compress(LZ4, b"more"), b"rest"])
def test_what_follows_an_lz4_frame_is_ignored_as_java_does(rest: bytes) -> None:
    assert decompress(LZ4, compress(LZ4, TEXT) + rest, max_size=MEGABYTE) == TEXT


def test_magic_0_has_the_broken_header_checksum() -> None:
    broken = compress(LZ4, TEXT, magic=0)
    good = compress(LZ4, TEXT, magic=1)
    assert broken[6] != good[6]
    assert broken[:6] + broken[7:] == good[:6] + good[7:]
    assert decompress(LZ4, broken, max_size=MEGABYTE, magic=0) == TEXT
    assert decompress(LZ4, good, max_size=MEGABYTE, magic=0) == TEXT
    with pytest.raises(CompressionError):
        decompress(LZ4, broken, max_size=MEGABYTE, magic=1)


def test_the_checksum_comes_after_a_content_size() -> None:
    import lz4.frame

    sized = lz4.frame.compress(TEXT, store_size=True, block_linked=False)
    assert decompress(LZ4, sized, max_size=MEGABYTE, magic=0) == TEXT


# --- zstd


def test_zstd_frames_follow_one_another_and_need_no_content_size() -> None:
    zstd = compression._zstd()
    compressor = zstd.ZstdCompressor()
    unsized = compressor.compress(TEXT) + compressor.flush()
    assert decompress(ZSTD, unsized * 2, max_size=MEGABYTE) == TEXT * 2


def test_what_follows_zstd_frames_is_refused() -> None:
    with pytest.raises(CompressionError, match="zstd"):
        decompress(ZSTD, compress(ZSTD, b"abc") + b"padding", max_size=100)


def test_a_zstd_window_larger_than_the_bound_is_no_reason_to_refuse() -> None:
    # A compressor that is not told the size ahead asks for its level's whole window, however little it is given.
    zstd = compression._zstd()
    compressor = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
    wide = compressor.compress(TEXT) + compressor.flush()
    assert decompress(ZSTD, wide, max_size=len(TEXT)) == TEXT
