"""The `group.share.*` options that share partitions need, and what single groups have in their place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from kwire.share.partition import Limits

GroupOverrides = Callable[[str], Mapping[str, str]]
"""A group's own options by name, as texts; empty for most."""

LATEST: Final = "latest"
EARLIEST: Final = "earliest"
_BY_DURATION: Final = "by_duration:"

_OPTIONS: Final = {
    "delivery.count.limit": "group.share.delivery.count.limit",
    "partition.max.record.locks": "group.share.partition.max.record.locks",
    "record.lock.duration.ms": "group.share.record.lock.duration.ms",
}
"""What groups have in place of which of the broker's options."""


class ShareConfig:
    """Values of the options; the methods know a group's own, within the bounds that the broker sets."""

    __slots__ = ("_bounds", "_defaults", "_overrides", "fetch_max_bytes", "max_sessions")

    def __init__(self, get: Callable[[str], Any], overrides: GroupOverrides) -> None:
        """Read the options through `get(name)`, which returns typed values."""
        self._defaults: dict[str, int] = {name: get(option) for name, option in _OPTIONS.items()}
        self._bounds: dict[str, tuple[int, int]] = {
            name: (get(f"group.share.min.{name}"), get(f"group.share.max.{name}")) for name in _OPTIONS
        }
        self._overrides = overrides
        self.max_sessions: int = get("group.share.max.share.sessions")
        self.fetch_max_bytes: int = get("fetch.max.bytes")

    def limits_of(self, group_id: str) -> Limits:
        """How often, how many, how long."""
        own = self._overrides(group_id)
        return Limits(
            self._value("delivery.count.limit", own),
            self._value("partition.max.record.locks", own),
            self._value("record.lock.duration.ms", own),
            own.get("share.renew.acknowledge.enable", "true").strip().lower() == "true",
        )

    def _value(self, name: str, own: Mapping[str, str]) -> int:
        text = own.get(f"share.{name}")
        if text is None:
            return self._defaults[name]
        low, high = self._bounds[name]
        return min(max(int(text), low), high)

    def lock_duration_ms(self, group_id: str) -> int:
        """How long a record is locked for its consumer."""
        return self._value("record.lock.duration.ms", self._overrides(group_id))

    def reads_committed(self, group_id: str) -> bool:
        """Whether the group gets only records of committed transactions."""
        level = self._overrides(group_id).get("share.isolation.level", "read_uncommitted")
        return level.strip() == "read_committed"

    def offset_reset_of(self, group_id: str) -> str | int:
        """Where a group begins: LATEST, EARLIEST, or how many milliseconds back."""
        text = self._overrides(group_id).get("share.auto.offset.reset", LATEST).strip()
        return duration_ms(text.removeprefix(_BY_DURATION)) if text.startswith(_BY_DURATION) else text


def duration_ms(text: str) -> int:
    """The milliseconds of an ISO 8601 duration of days and less (`P1DT2H3M4.5S`), as `java.time.Duration` reads it."""
    days, _, time = text.upper().removeprefix("P").partition("T")
    total = 0.0
    for part, units in ((days, {"D": 86_400}), (time, {"H": 3_600, "M": 60, "S": 1})):
        rest = part
        for unit, seconds in units.items():
            number, found, after = rest.partition(unit)
            if found:
                total += float(number) * seconds
                rest = after
    return round(total * 1000)
