"""How long to wait so that bytes flow at no more than a rate (`log.cleaner.io.max.bytes.per.second`)."""

from __future__ import annotations

BURST_S = 0.3
"""What was not used of the rate for so long is lost, as in Kafka's `Throttler`, which looks at it as often."""


class Throttler:
    """One stream of bytes. Instants are seconds of a clock that never goes backwards."""

    __slots__ = ("_bytes_per_second", "_free_at")

    def __init__(self, bytes_per_second: float) -> None:
        self.change(bytes_per_second)

    def change(self, bytes_per_second: float) -> None:
        """Another rate from now on; what was owed at the old one is forgiven."""
        self._bytes_per_second = bytes_per_second
        self._free_at = 0.0

    def pause_s(self, size: int, now_s: float) -> float:
        """Seconds to wait after `size` bytes at the instant `now_s`; 0 while the rate is kept."""
        self._free_at = max(self._free_at, now_s - BURST_S) + size / self._bytes_per_second
        return max(self._free_at - now_s, 0.0)
