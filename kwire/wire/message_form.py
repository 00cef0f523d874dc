"""How the messages of a conversion look: what the batch says of all its records, and what each message begins with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from struct import Struct

from kwire.wire.record_batch import NO_TIMESTAMP
from kwire.wire.record_codec import MAX_INT64, wrapped

_START = Struct(">bbq")
HEAD_BYTES = (2, _START.size)
"""By magic: how long `MessageForm.head_of` is."""


class MessageForm:
    """How the messages are to look, and what the batch says of all its records."""

    __slots__ = (
        "append_time",
        "attributes",
        "base_offset",
        "base_timestamp",
        "first_offset",
        "last_offset",
        "magic",
        "max_timestamp",
        "offset_shift",
    )

    def __init__(
        self,
        magic: int,
        attributes: int,
        *,
        base_offset: int,
        base_timestamp: int,
        append_time: int | None,
        first_offset: int,
    ) -> None:
        """`append_time` (ms) is every message's timestamp if given. Records before `first_offset` are left out."""
        self.magic = magic
        self.attributes = attributes
        self.base_offset = base_offset
        self.base_timestamp = base_timestamp
        self.append_time = append_time
        self.first_offset = first_offset
        self.offset_shift = 0
        """What is taken from each offset: inside of a wrapper of magic 1 they count from its first record."""
        self.last_offset = -1
        self.max_timestamp = NO_TIMESTAMP
        """Of what was written last, for the wrapper around it; the caller sets it back."""

    def head_of(self, delta: int) -> bytes:
        """The first bytes of a message's body, up to its key: magic, attributes, and under magic 1 the timestamp.

        `delta` is the record's timestamp delta (ms); the timestamp counts for `max_timestamp`.
        """
        timestamp = self.base_timestamp + delta if self.append_time is None else self.append_time
        if not -MAX_INT64 <= timestamp <= MAX_INT64:
            timestamp = wrapped(timestamp)
        if timestamp > self.max_timestamp:
            self.max_timestamp = timestamp
        return _START.pack(1, self.attributes, timestamp) if self.magic else bytes((0, self.attributes))


def heads(columns: tuple[bytes, bytes], form: MessageForm, then: bytes = b"") -> Iterable[bytes]:
    """Each row's magic, attributes and timestamp, and `then`; the columns are those of `record_runs.time_columns`."""
    low, high = columns
    count = len(low)
    if form.append_time is not None or not form.magic:
        return repeat(form.head_of(0) + then, count)
    cells: Sequence[int] | Sequence[tuple[int, int]] = low
    deltas: dict[int | tuple[int, int], int]
    if high.count(high[0]) == count:
        more = high[0] << 7
        deltas = {n: (n | more) >> 1 for n in set(low)}
    else:
        cells = list(zip(low, high, strict=True))
        deltas = {cell: (cell[0] | cell[1] << 7) >> 1 for cell in set(cells)}
    base, last = form.base_timestamp, form.base_timestamp + max(deltas.values())
    if base >= -MAX_INT64 and last <= MAX_INT64:
        # What `head_of` does, without a call for each.
        pack, attributes = _START.pack, form.attributes
        form.max_timestamp = max(form.max_timestamp, last)
        by_cell = {cell: pack(1, attributes, base + delta) + then for cell, delta in deltas.items()}
    else:
        by_cell = {cell: form.head_of(delta) + then for cell, delta in deltas.items()}
    return map(by_cell.__getitem__, cells)
