"""The `group.consumer.*` options, typed, and what single groups have in their place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kwire.coord.group.modern.assignor import Assignor
from kwire.coord.group.modern.range_assignor import assign_range
from kwire.coord.group.modern.uniform import assign_uniform

ASSIGNORS: dict[str, Assignor] = {"uniform": assign_uniform, "range": assign_range}
"""The server-side assignors by the names that members may ask for."""

_CLASSES = {
    "org.apache.kafka.coordinator.group.assignor.UniformAssignor": "uniform",
    "org.apache.kafka.coordinator.group.assignor.RangeAssignor": "range",
}

LIVE_GROUP_OPTIONS = frozenset({"group.consumer.assignment.interval.ms"})
"""What may be set while the broker runs."""

GroupOverrides = Callable[[str], Mapping[str, str]]
"""A group's own options by name, as texts; empty for most."""


def no_overrides(group_id: str) -> Mapping[str, str]:
    """No group has options of its own."""
    return {}


class ConsumerGroupConfig:
    """Values of the `group.consumer.*` options; the methods know a group's own.

    `assignors` is in the order of preference, the first one is the default; classes of one's own are left out, as there
    is nothing to load them. The cores read all of these anew at each use.
    """

    __slots__ = (
        "assignment_interval_ms",
        "assignors",
        "group_overrides",
        "heartbeat_interval_ms",
        "max_size",
        "may_downgrade",
        "may_upgrade",
        "regex_refresh_interval_ms",
        "session_timeout_ms",
    )

    def __init__(self, get: Callable[[str], Any], group_overrides: GroupOverrides = no_overrides) -> None:
        """Read the options through `get(name)`, which returns typed values."""
        policy = str(get("group.consumer.migration.policy")).lower()
        self.may_upgrade = policy in ("upgrade", "bidirectional")
        self.may_downgrade = policy in ("downgrade", "bidirectional")
        named = [_CLASSES.get(name, name) for name in get("group.consumer.assignors")]
        self.assignors = [name for name in named if name in ASSIGNORS] or list(ASSIGNORS)
        self.max_size: int = get("group.consumer.max.size")
        self.session_timeout_ms: int = get("group.consumer.session.timeout.ms")
        self.heartbeat_interval_ms: int = get("group.consumer.heartbeat.interval.ms")
        self.assignment_interval_ms: int
        self.read_live(get)
        self.regex_refresh_interval_ms: int = get("group.consumer.regex.refresh.interval.ms")
        self.group_overrides = group_overrides

    def read_live(self, get: Callable[[str], Any]) -> None:
        """Read those of `LIVE_GROUP_OPTIONS` again."""
        self.assignment_interval_ms = get("group.consumer.assignment.interval.ms")

    def session_timeout_of(self, group_id: str) -> int:
        """After how many milliseconds without a heartbeat a member is gone."""
        own = self.group_overrides(group_id).get("consumer.session.timeout.ms")
        return self.session_timeout_ms if own is None else int(own)

    def heartbeat_interval_of(self, group_id: str) -> int:
        """How often a member is to send a heartbeat, in milliseconds."""
        own = self.group_overrides(group_id).get("consumer.heartbeat.interval.ms")
        return self.heartbeat_interval_ms if own is None else int(own)

    def assignment_interval_of(self, group_id: str) -> int:
        """How many milliseconds two targets of the group lie apart at least."""
        own = self.group_overrides(group_id).get("consumer.assignment.interval.ms")
        return self.assignment_interval_ms if own is None else int(own)
