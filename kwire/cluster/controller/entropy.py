"""The randomness that decisions are given in a real broker; tests give them something that repeats."""

from __future__ import annotations

from os import urandom


class SystemEntropy:
    """Randomness of the operating system."""

    def topic_id(self) -> bytes:
        """A random uuid (version 4) whose text does not begin with '-', as apache/kafka `Uuid.randomUuid`."""
        while True:
            raw = bytearray(urandom(16))
            raw[6] = raw[6] & 0x0F | 0x40
            raw[8] = raw[8] & 0x3F | 0x80
            if raw[0] >> 2 != 62:
                return bytes(raw)

    def below(self, bound: int) -> int:
        """A number from 0 to `bound` - 1."""
        return int.from_bytes(urandom(8), "big") % bound
