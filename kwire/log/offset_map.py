"""The map that compaction deduplicates by: each key's newest offset, in memory of a fixed size.

```
slot, 16 bytes: two int64 side by side in one array, so that a look costs one cache line
  hash   int64    Python's hash of the key: SipHash, 64 bits, salted anew in each process
  word   int64    31 bits of the key's CRC-32, 32 bits of offset - first offset + 1; 0 marks an empty slot
```
Keys themselves are not kept, as in Kafka's `SkimpyOffsetMap`, whose slot is an MD5 sum and an offset, 24 bytes. Two
keys that agree in all 95 bits would pass for one: among five million keys that is one chance in 10^15, and the salt
keeps anybody from choosing such keys, which with MD5 can be done. A `dict` was measured: twice as quick, but 130 bytes
for each short key, so it holds an eighth of the keys within the same `log.cleaner.dedupe.buffer.size`.

Beside the slots there is a byte for each offset, if they are no more than an eighth of the memory: it marks what was
superseded while the map was filled. Where it says enough, the second pass over the same records needs neither their
keys nor the slots, and takes half the time.

Collisions are resolved by double hashing over a power of two of slots; nothing can be removed. Calls take many keys at
once, because a call for each costs as much as the look itself.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from zlib import crc32

SLOT_BYTES = 16
_OFFSETS = 1 << 32
_OFFSET_MASK = _OFFSETS - 1

SUPERSEDED = 1
TOMBSTONE = 2
KEYLESS = 3


class OffsetMap:
    """At most `memory_bytes` of slots, of which a share of `load_factor` is filled.

    ValueError if not even one entry fits, as compaction could never come forward then.
    """

    __slots__ = ("_load_factor", "_mask", "_most_slots", "_table", "first_offset", "latest_offset", "marks", "size")

    def __init__(self, memory_bytes: int, load_factor: float) -> None:
        slots = 1 << max((memory_bytes // SLOT_BYTES).bit_length() - 1, 0)
        if slots < 2 or slots * load_factor < 1:
            raise ValueError(
                f"a map of {memory_bytes} bytes, filled to {load_factor}, holds no key: "
                "log.cleaner.dedupe.buffer.size and log.cleaner.threads leave no room"
            )
        self._most_slots = slots
        self._load_factor = load_factor
        self._table = array("q")
        self.clear(0, 0)

    def clear(self, first_offset: int, expected: int) -> None:
        """Forget everything; there are `expected` offsets from `first_offset` on."""
        wanted = min(self._most_slots, 1 << max(int(expected / self._load_factor), 1).bit_length())
        self._table = array("q", (0,)) * (2 * wanted)
        self._mask = wanted - 1
        self.marks = bytearray(expected + 1 if expected < self._most_slots * SLOT_BYTES // 8 else 0)
        """By offset - first offset: 0, or one of the marks above; empty when there are too many offsets."""
        self.first_offset = first_offset
        self.latest_offset = first_offset - 1
        """Everything up to here was offered to the map (Kafka's `updateLatestOffset`); set by the caller."""
        self.size = 0

    @property
    def capacity(self) -> int:
        """How many keys it takes; one slot at least stays empty, where the search for an unknown key ends."""
        return max(min(int((self._mask + 1) * self._load_factor), self._mask), 1)

    @property
    def utilization(self) -> float:
        """The share of slots that is taken."""
        return self.size / (self._mask + 1)

    def put_all(self, keys: Sequence[bytes], offsets: Sequence[int]) -> int:
        """Note each key's offset, ascending over all calls; how many were taken before the map was full.

        It also counts as full for an offset that is 2^32 or more above the first one.
        """
        if not keys:
            return 0
        room = self.capacity - self.size
        if room <= 0:
            return 0
        if len(keys) > room or offsets[-1] - self.first_offset >= _OFFSET_MASK:
            # Near its end one by one: whether the next key is a new one is only known afterwards.
            for taken, offset in enumerate(offsets):
                if self.size >= self.capacity or offset - self.first_offset >= _OFFSET_MASK:
                    return taken
                self._put(keys[taken : taken + 1], offsets[taken : taken + 1])
            return len(keys)
        self._put(keys, offsets)
        return len(keys)

    def _put(self, keys: Sequence[bytes], offsets: Sequence[int]) -> None:
        table, mask, marks, added = self._table, self._mask, self.marks, 0
        even, low = 2 * mask, self.first_offset - 1
        for sip, crc, offset in zip(map(hash, keys), map(crc32, keys), offsets, strict=True):
            at = (sip & mask) << 1
            word = table[at + 1]
            check = crc >> 1
            while word:
                if word >> 32 == check and table[at] == sip:
                    if marks:
                        marks[(word & _OFFSET_MASK) - 1] = SUPERSEDED
                    break
                at = at + (sip >> 31 | 2) & even
                word = table[at + 1]
            else:
                table[at] = sip
                added += 1
            table[at + 1] = check << 32 | offset - low
        self.size += added

    def mark(self, offset: int, mark: int) -> None:
        """Note what an offset's record is."""
        if self.marks:
            self.marks[offset - self.first_offset] = mark

    def marks_between(self, first: int, last: int) -> bytearray | None:
        """The marks of the offsets from `first` to `last`; None where they do not tell all."""
        if not self.marks or first < self.first_offset or last > self.latest_offset:
            return None
        return self.marks[first - self.first_offset : last - self.first_offset + 1]

    def get_all(self, keys: Sequence[bytes]) -> list[int]:
        """Each key's newest offset, -1 for a key that is not in the map."""
        table, mask = self._table, self._mask
        even, low = 2 * mask, self.first_offset - 1
        found: list[int] = []
        for sip, crc in zip(map(hash, keys), map(crc32, keys), strict=True):
            at = (sip & mask) << 1
            word = table[at + 1]
            while word and (word >> 32 != crc >> 1 or table[at] != sip):
                at = at + (sip >> 31 | 2) & even
                word = table[at + 1]
            found.append(low + (word & _OFFSET_MASK) if word else -1)
        return found
