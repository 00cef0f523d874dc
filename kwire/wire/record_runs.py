"""Runs of records of one shape, checked column by column at the speed of C.

Producers often send records of equal size. Laid under one another, such records are a table: the bytes that give
lengths are the same in every row, the offset deltas count up, and only timestamps, keys and values differ. A slice with
a stride is a column of that table, and comparing two columns costs a few nanoseconds a row, where walking a record
costs some hundreds. `walk_run` proves for a stretch of records what `record_codec.walk_records` would have found in
them one by one; where rows differ in shape it takes as many as do not, or none.
"""

from __future__ import annotations

from kwire.wire.record_codec import long_varint

MIN_RUN = 8
"""Shorter runs are walked more cheaply one by one."""

_MAX_RUN = 2048
_MAX_HEADERS = 16
"""Records with more headers are walked one by one: every length is a column."""

_OFFSETS_PER_MIDDLE_CYCLE = 8192
_MAX_OFFSET_DELTA = 1 << 20

# Zigzag varints of 0, 1, 2, ... by byte: the lowest 7 bits repeat after 64 of them, the next 7 after 8192.
_LOW = bytes(2 * n for n in range(64)) * (_MAX_RUN // 64 + 2)
_LOW_MORE = bytes(n | 128 for n in _LOW)
_MIDDLE = b"".join(bytes([n]) * 64 for n in range(128))
_MIDDLE_MORE = bytes(n | 128 for n in _MIDDLE)

HAS_MORE = bytes(int(n > 127) for n in range(256))
"""Maps bytes to 1 if the varint goes on behind them."""

_AT_LEAST = b"\0" * 256 + b"\1" * 256
"""The 256 bytes from 256 - n on are the table that maps what is less than n to 0 and the rest to 1."""

_FLIPPED = bytes(127 - n & 127 for n in range(256))
_WITHOUT_MORE = bytes(n & 127 for n in range(256))
_IS_NEGATIVE = bytes(n & 1 for n in range(256))


class Run:
    """`count` records of one shape, which end at position `end`, and their extreme timestamp deltas.

    `time_at`, `offset_at` and `key_at` are where the first record has its timestamp delta, its offset delta and the
    length of its key; each next record has them `stride` bytes later.
    """

    __slots__ = (
        "count",
        "end",
        "has_key",
        "key_at",
        "max_delta",
        "max_index",
        "min_delta",
        "min_index",
        "offset_at",
        "stride",
        "time_at",
    )

    def __init__(self, count: int, end: int, *, stride: int, time_at: int, offset_at: int, key_at: int) -> None:
        self.count = count
        self.end = end
        self.stride = stride
        self.time_at = time_at
        self.offset_at = offset_at
        self.key_at = key_at
        self.has_key = False
        self.max_delta = self.min_delta = 0
        self.max_index = self.min_index = 0

    def part(self, first: int, stop: int) -> Run:
        """The rows `first` to `stop` alone, without what is known of their timestamps."""
        skipped = first * self.stride
        return Run(
            stop - first,
            self.end - (self.count - stop) * self.stride,
            stride=self.stride,
            time_at=self.time_at + skipped,
            offset_at=self.offset_at + skipped,
            key_at=self.key_at + skipped,
        )


def walk_run(data: bytes, pos: int, index: int, count: int) -> Run | None:
    """The run that begins at `pos` with record `index` of `count`, or None if there is none worth the name.

    None also where anything is wrong with the records: the walk one by one then says what.
    """
    run = find_run(data, pos, index, count)
    if run is None:
        return None
    columns = time_columns(data, run)
    if columns is None:
        return None
    low, high = columns
    run.has_key = not data[run.key_at] & 1
    run.max_index, run.max_delta = _extreme(low, high, index, largest=True)
    run.min_index, run.min_delta = _extreme(low, high, index, largest=False)
    return run


def find_run(data: bytes, pos: int, index: int, count: int) -> Run | None:
    """As `walk_run`, but nothing is said of timestamps (see `time_columns`), and `has_key` and extremes are not set."""
    if count - index < MIN_RUN or index >= _MAX_OFFSET_DELTA:
        return None
    try:
        length, at = long_varint(data, pos, 5)
        end = at + (length >> 1)
        stride = end - pos
        # The next records begin alike, or there is nothing to look for.
        if length & 1 or data[pos] != data[end] or data[pos] != data[end + stride]:
            return None
        time_at = at + 1
        _, offset_at = long_varint(data, time_at, 10)
        _, key_at = long_varint(data, offset_at, 5)
        columns = length_columns(data, key_at, end)
    except (IndexError, OverflowError):
        return None
    # The number of bytes of an offset delta changes at 64 and 8192, the third byte every 8192 after that.
    limit = 64 if index < 64 else (index // _OFFSETS_PER_MIDDLE_CYCLE + 1) * _OFFSETS_PER_MIDDLE_CYCLE
    rows = min(limit - index, count - index, (len(data) - pos) // stride, _MAX_RUN)
    for column in (*range(pos, time_at - 1), *columns):
        if rows < MIN_RUN:
            return None
        cells = data[column : column + (rows - 1) * stride + 1 : stride]
        rows = len(cells) - len(cells.lstrip(cells[:1]))
    if rows < MIN_RUN or not _offsets_count_up(data, offset_at, key_at - offset_at, stride, index, rows):
        return None
    return Run(rows, pos + rows * stride, stride=stride, time_at=time_at, offset_at=offset_at, key_at=key_at)


def length_columns(data: bytes, pos: int, end: int) -> list[int]:
    """Where the record whose key is at `pos` has its lengths and header count; IndexError if it is wrong."""
    columns: list[int] = []
    _, pos = _string(data, pos, columns)
    _, pos = _string(data, pos, columns)
    count, at = long_varint(data, pos, 5)
    columns += range(pos, at)
    pos = at
    if count & 1 or count >> 1 > _MAX_HEADERS:
        raise IndexError
    for _ in range(count >> 1):
        key_size, pos = _string(data, pos, columns)
        if key_size & 1:
            raise IndexError
        _, pos = _string(data, pos, columns)
    if pos != end:
        raise IndexError
    return columns


def _string(data: bytes, pos: int, columns: list[int]) -> tuple[int, int]:
    """The zigzag length at `pos` and the position after the bytes it counts."""
    size = data[pos]
    if size < 128:
        columns.append(pos)
        at = pos + 1
    else:
        size, at = long_varint(data, pos, 5)
        columns += range(pos, at)
    return size, at if size & 1 else at + (size >> 1)


def string_at(data: bytes, pos: int) -> tuple[int, int]:
    """(size or -1 for null, where its bytes begin) of the string at `pos`."""
    n, pos = long_varint(data, pos, 5)
    return (n >> 1) ^ -(n & 1), pos


def _offsets_count_up(data: bytes, at: int, width: int, stride: int, index: int, rows: int) -> bool:
    """Whether the rows have offset deltas `index`, `index` + 1, ... in as few bytes as they take, which is `width`."""
    last = (rows - 1) * stride + 1
    expected = offset_columns(index, rows)
    return len(expected) == width and all(
        data[at + n : at + n + last : stride] == column for n, column in enumerate(expected)
    )


def offset_columns(index: int, rows: int) -> list[bytes]:
    """The bytes of the offset deltas `index`, `index` + 1, ... of `rows` records, in which their number of bytes does
    not change, nor the third byte; `index` is less than 2**20.
    """
    low, middle = index % 64, index % _OFFSETS_PER_MIDDLE_CYCLE
    if index < 64:
        return [_LOW[low : low + rows]]
    columns = [_LOW_MORE[low : low + rows]]
    if index < _OFFSETS_PER_MIDDLE_CYCLE:
        return [*columns, _MIDDLE[middle : middle + rows]]
    return [*columns, _MIDDLE_MORE[middle : middle + rows], bytes([index >> 13]) * rows]


def time_columns(data: bytes, run: Run) -> tuple[bytes, bytes] | None:
    """The lower 7 bits of every timestamp delta as it stands (zigzag), and the next 7; None when they are not of that
    form.

    Only deltas of one or two bytes that are not negative are looked for: a batch that spans up to eight seconds.
    """
    at, width = run.time_at, run.offset_at - run.time_at
    last = (run.count - 1) * run.stride + 1
    low = data[at : at + last : run.stride]
    if width == 1:
        high = bytes(run.count)
        is_sound = low.isascii()
    elif width == 2:
        high = data[at + 1 : at + 1 + last : run.stride]
        # The first byte of two says that there is more, the second says that there is not.
        is_sound = high.isascii() and 0 not in low.translate(HAS_MORE)
        low = without_more(low)
    else:
        return None
    return (low, high) if is_sound and are_positive(low) else None


def without_more(low: bytes) -> bytes:
    """The first bytes of varints without the bit that says that there is more."""
    return low.translate(_WITHOUT_MORE)


def are_positive(low: bytes) -> bool:
    """Whether no zigzag number is negative, which is odd, by their lowest bytes."""
    return 1 not in low.translate(_IS_NEGATIVE)


def _extreme(low: bytes, high: bytes, index: int, *, largest: bool) -> tuple[int, int]:
    """(index, delta) of the first largest or smallest of the values that the columns hold, 7 bits in each."""
    wanted = _largest(high) if largest else _smallest(high)
    first = high.index(wanted)
    last = high.rindex(wanted)
    if high.count(wanted) == last - first + 1:
        cells = low[first : last + 1]
        row = first + cells.index(_largest(cells) if largest else _smallest(cells))
    else:
        rows = [row for row in range(first, last + 1) if high[row] == wanted]
        row = (max if largest else min)(rows, key=low.__getitem__)
    return index + row, (high[row] << 7 | low[row]) >> 1


def _largest(cells: bytes) -> int:
    """The largest of cells of 7 bits, found bit by bit: seven passes in C are quicker than one in Python."""
    if cells.count(cells[0]) == len(cells):
        return cells[0]
    value = 0
    for bit in (64, 32, 16, 8, 4, 2, 1):
        start = 256 - value - bit
        if 1 in cells.translate(_AT_LEAST[start : start + 256]):
            value += bit
    return value


def _smallest(cells: bytes) -> int:
    return 127 - _largest(cells.translate(_FLIPPED))
