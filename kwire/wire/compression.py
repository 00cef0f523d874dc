"""The one door to compression: gzip, snappy, lz4 and zstd as Kafka's clients write them.

- gzip: one or several members; anything after them is ignored, as Java does.
- snappy: written in the framing of Java's snappy library ("xerial": a magic of 8 bytes, version and compatible version,
  then blocks of 32 KiB, each after its int32 length); read so or raw, because librdkafka writes one raw block.
- lz4: one frame of independent 64 KiB blocks without content size. Linked blocks are refused and what follows the frame
  is ignored, as Java does: a batch that needs either would stop every Java consumer of its partition. Under magic 0 the
  header checksum covers the frame's magic bytes too (KAFKA-3160), and is not looked at when reading.
- zstd: one or several frames, content size not required.

Nothing decompresses beyond `max_size`: snappy says its length in front, which is checked before memory is taken; the
others are decompressed in steps until they pass the bound. Libraries are imported at first use, because a broker seldom
needs them; a missing one is UNSUPPORTED_COMPRESSION_TYPE, not a failure to start.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from struct import Struct
from typing import Any, Protocol

from kwire.errors import ErrorCode, KafkaError
from kwire.wire.primitives import WireError

Buffer = bytes | bytearray | memoryview

NONE = 0
GZIP = 1
SNAPPY = 2
LZ4 = 3
ZSTD = 4

NAMES = ("none", "gzip", "snappy", "lz4", "zstd")
"""By codec id; the names of `compression.type`."""

DEFAULT_LZ4_LEVEL = 9
"""Kafka's default for lz4, by which it means the fast compressor, not lz4's own level 9 (KIP-390)."""

_XERIAL_MAGIC = b"\x82SNAPPY\0"
_XERIAL_HEADER = _XERIAL_MAGIC + b"\0\0\0\1\0\0\0\1"
_XERIAL_BLOCK_BYTES = 32 * 1024
_SNAPPY_MAX_RATIO = 22
"""A snappy element of three bytes makes 64: what claims a larger ratio than this is lying."""

_LZ4_FLAGS_OFFSET = 4
_LZ4_INDEPENDENT_BLOCKS = 0x20
_GZIP_MAGIC = b"\x1f\x8b"
_ZLIB_GZIP_WBITS = 31
_STREAM_CHUNK_BYTES = 16 * 1024
_MAX_STREAMS = 1000
"""Concatenated streams in one batch. Clients write one; a megabyte of empty zstd frames would take seconds."""

_MIN_STEP_BYTES = 64 * 1024
_INT32 = Struct(">i")


class CompressionError(WireError):
    """Data that does not decompress, or decompresses to more than the bound."""


class TooLargeError(CompressionError):
    """It decompresses to more than the bound."""


class _Stream(Protocol):
    """The decompressor objects of lz4 and zstd (and bz2, from which the shape comes)."""

    eof: bool
    needs_input: bool
    unused_data: bytes | None

    def decompress(self, data: Buffer, max_length: int) -> bytes: ...


def compress(codec: int, data: Buffer, *, level: int | None = None, magic: int = 2) -> bytes:
    """`data` under codec 0-4; `level` is the codec's own (Kafka's default when None), `magic` that of the message.

    Raises KafkaError(UNSUPPORTED_COMPRESSION_TYPE) when the codec's library is missing, CompressionError for other ids.
    """
    if codec == NONE:
        return bytes(data)
    if codec == GZIP:
        compressor = zlib.compressobj(-1 if level is None else level, zlib.DEFLATED, _ZLIB_GZIP_WBITS)
        return compressor.compress(data) + compressor.flush()
    if codec == SNAPPY:
        return _compress_snappy(data)
    if codec == LZ4:
        return _compress_lz4(data, level, magic)
    if codec == ZSTD:
        compressed: bytes = _zstd().compress(data, 3 if level is None else level)
        return compressed
    raise CompressionError(f"no codec has the id {codec}")


def decompress(codec: int, data: Buffer, *, max_size: int, magic: int = 2) -> bytes:
    """The bytes that codec 0-4 made `data` of, at most `max_size` of them.

    Raises CompressionError for damaged, cut or too much data or another id, KafkaError(UNSUPPORTED_COMPRESSION_TYPE)
    when the codec's library is missing. A flipped bit may go unnoticed: look at the batch's checksum first.
    """
    pieces = list(decompressed_pieces(codec, data, max_size=max_size, magic=magic))
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def decompressed_pieces(
    codec: int, data: Buffer, *, max_size: int, magic: int = 2, piece_bytes: int | None = None
) -> Iterator[bytes]:
    """What `decompress` gives, a piece at a time, each of `piece_bytes` at most if given (a raw snappy block comes
    whole); errors as there, at the piece that meets them.
    """
    if codec == NONE:
        if len(data) > max_size:
            raise _too_large(max_size)
        return iter((bytes(data),))
    if codec == GZIP:
        return _decompress_gzip(memoryview(data), max_size, piece_bytes)
    if codec == SNAPPY:
        return _decompress_snappy(memoryview(data), max_size)
    if codec == LZ4:
        return _decompress_lz4(data, max_size, magic, piece_bytes)
    if codec == ZSTD:
        return _decompress_zstd(memoryview(data), max_size, piece_bytes)
    raise CompressionError(f"no codec has the id {codec}")


def _too_large(max_size: int) -> TooLargeError:
    return TooLargeError(f"decompresses to more than {max_size} bytes")


def _too_many_streams() -> CompressionError:
    return CompressionError(f"more than {_MAX_STREAMS} streams one after another")


def _missing(name: str, error: ImportError) -> KafkaError:
    return KafkaError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, f"{name} is not available on this broker: {error}")


def _decompress_gzip(data: memoryview, max_size: int, piece_bytes: int | None) -> Iterator[bytes]:
    total = pos = 0
    # One call takes the first member whole. Others follow seldom, and are fed in chunks, because each hands back what
    # it did not use: a megabyte of empty members would otherwise copy itself fifty thousand times.
    chunk_bytes = len(data) if piece_bytes is None else _STREAM_CHUNK_BYTES
    for _ in range(_MAX_STREAMS):
        stream = zlib.decompressobj(_ZLIB_GZIP_WBITS)
        while not stream.eof:
            chunk: Buffer = stream.unconsumed_tail
            if not chunk:
                chunk = data[pos : pos + chunk_bytes]
                pos += len(chunk)
            if not chunk:
                raise CompressionError("gzip data is cut")
            most = max_size - total + 1
            try:
                piece = stream.decompress(chunk, most if piece_bytes is None else min(most, piece_bytes))
            except zlib.error as error:
                raise CompressionError(f"gzip: {error}") from None
            total += len(piece)
            if total > max_size:
                raise _too_large(max_size)
            yield piece
        pos -= len(stream.unused_data)
        if data[pos : pos + 2] != _GZIP_MAGIC:
            return
        chunk_bytes = _STREAM_CHUNK_BYTES
    raise _too_many_streams()


def _decompress_streams(
    open_stream: Callable[[], _Stream],
    data: memoryview,
    max_size: int,
    piece_bytes: int | None,
    goes_on: Callable[[memoryview], bool],
) -> Iterator[bytes]:
    """Concatenated streams of `data`, as long as `goes_on` says that what is left begins another."""
    total = pos = 0
    chunk_bytes = len(data)
    # lz4 takes the memory for as much as it may return at once, so it is asked for what is likely, not for the bound.
    step = piece_bytes or max(4 * len(data), _MIN_STEP_BYTES)
    for _ in range(_MAX_STREAMS):
        stream = open_stream()
        while not stream.eof:
            chunk = data[pos : pos + chunk_bytes] if stream.needs_input else data[:0]
            if stream.needs_input and not chunk:
                raise CompressionError("compressed data is cut")
            piece = stream.decompress(chunk, min(max_size - total + 1, step))
            pos += len(chunk)
            total += len(piece)
            if total > max_size:
                raise _too_large(max_size)
            yield piece
        pos -= len(stream.unused_data or b"")
        if not goes_on(data[pos:]):
            return
        chunk_bytes = _STREAM_CHUNK_BYTES
    raise _too_many_streams()


def _snappy() -> Any:
    try:
        import snappy
    except ImportError as error:
        raise _missing("snappy", error) from None
    return snappy


def _compress_snappy(data: Buffer) -> bytes:
    block = _snappy().compress
    view = memoryview(data)
    parts = [_XERIAL_HEADER]
    for pos in range(0, len(view), _XERIAL_BLOCK_BYTES):
        compressed = block(bytes(view[pos : pos + _XERIAL_BLOCK_BYTES]))
        parts += (_INT32.pack(len(compressed)), compressed)
    return b"".join(parts)


def _decompress_snappy(data: memoryview, max_size: int) -> Iterator[bytes]:
    if data[:8] != _XERIAL_MAGIC or len(data) < len(_XERIAL_HEADER):
        yield _snappy_block(data, max_size)
        return
    left = max_size
    pos = 0
    while pos < len(data):
        if data[pos : pos + 8] == _XERIAL_MAGIC:
            # Streams may follow one another, each with its header.
            pos += len(_XERIAL_HEADER)
            continue
        if len(data) - pos < 4:
            raise CompressionError("snappy: a block's length is cut")
        (size,) = _INT32.unpack_from(data, pos)
        pos += 4
        if size < 0 or size > len(data) - pos:
            raise CompressionError(f"snappy: a block of {size} bytes, {len(data) - pos} are left")
        piece = _snappy_block(data[pos : pos + size], left)
        yield piece
        left -= len(piece)
        pos += size


def _snappy_block(data: memoryview, max_size: int) -> bytes:
    declared = shift = 0
    for byte in data[:5]:
        declared |= (byte & 0x7F) << shift
        if byte < 128:
            break
        shift += 7
    else:
        raise CompressionError("snappy: the length in front does not end")
    if declared > max_size:
        raise _too_large(max_size)
    if declared > len(data) * _SNAPPY_MAX_RATIO:
        raise CompressionError(f"snappy: {len(data)} bytes cannot hold {declared}")
    snappy = _snappy()
    try:
        out = bytes(snappy.uncompress(bytes(data)))
    except (snappy.UncompressError, ValueError, RuntimeError, MemoryError) as error:
        raise CompressionError(f"snappy: {error}") from None
    if len(out) != declared:
        raise CompressionError(f"snappy: {len(out)} bytes instead of {declared}")
    return out


def _lz4() -> Any:
    try:
        import lz4.frame
    except ImportError as error:
        raise _missing("lz4", error) from None
    return lz4.frame


def _compress_lz4(data: Buffer, level: int | None, magic: int) -> bytes:
    frame = _lz4()
    compressed: bytes = frame.compress(
        data,
        block_linked=False,
        block_size=frame.BLOCKSIZE_MAX64KB,
        store_size=False,
        compression_level=0 if level is None or level == DEFAULT_LZ4_LEVEL else level,
    )
    return _with_header_checksum(compressed, broken=True) if magic == 0 else compressed


def _decompress_lz4(data: Buffer, max_size: int, magic: int, piece_bytes: int | None) -> Iterator[bytes]:
    frame = _lz4()
    if len(data) > _LZ4_FLAGS_OFFSET and not data[_LZ4_FLAGS_OFFSET] & _LZ4_INDEPENDENT_BLOCKS:
        raise CompressionError("lz4: blocks that depend on one another are not for Kafka")
    if magic == 0:
        data = _with_header_checksum(data, broken=False)
    try:
        yield from _decompress_streams(
            frame.LZ4FrameDecompressor, memoryview(data), max_size, piece_bytes, lambda rest: False
        )
    except (RuntimeError, MemoryError, ValueError, EOFError) as error:
        raise error if isinstance(error, CompressionError) else CompressionError(f"lz4: {error}") from None


def _with_header_checksum(data: Buffer, *, broken: bool) -> bytes:
    """The frame with its header checksum as it should be, or as magic 0 has it (KAFKA-3160)."""
    if len(data) < 7:
        raise CompressionError("lz4: the frame's header is cut")
    end = 14 if data[4] & 0x08 else 6
    if len(data) <= end:
        raise CompressionError("lz4: the frame's header is cut")
    out = bytearray(data)
    out[end] = _xxh32_short(bytes(data[0 if broken else 4 : end])) >> 8 & 0xFF
    return bytes(out)


def _xxh32_short(data: bytes) -> int:
    """xxHash32 with seed 0 of less than 16 bytes, which is all that a frame's header needs."""
    mask = 0xFFFFFFFF
    value = 374761393 + len(data)
    whole = len(data) & ~3
    for pos in range(0, whole, 4):
        value = value + int.from_bytes(data[pos : pos + 4], "little") * 3266489917 & mask
        value = (value << 17 & mask | value >> 15) * 668265263 & mask
    for byte in data[whole:]:
        value = value + byte * 374761393 & mask
        value = (value << 11 & mask | value >> 21) * 2654435761 & mask
    value = (value ^ value >> 15) * 2246822519 & mask
    value = (value ^ value >> 13) * 3266489917 & mask
    return value ^ value >> 16


def _zstd() -> Any:
    try:
        from compression import zstd
    except ImportError:
        try:
            from backports import zstd
        except ImportError as error:
            raise _missing("zstd", error) from None
    return zstd


def _decompress_zstd(data: memoryview, max_size: int, piece_bytes: int | None) -> Iterator[bytes]:
    zstd = _zstd()
    try:
        # A frame may ask for a window of up to 128 MiB (zstd's own bound), but touches no more of it than it fills.
        yield from _decompress_streams(zstd.ZstdDecompressor, data, max_size, piece_bytes, lambda rest: len(rest) > 0)
    except (zstd.ZstdError, MemoryError, EOFError) as error:
        raise CompressionError(f"zstd: {error}") from None
