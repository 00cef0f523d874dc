"""The `group.streams.*` options, and what single groups have in their place. Every use reads them anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

NUM_STANDBY_REPLICAS = "num.standby.replicas"
"""The one option that a group's tasks depend on; a change of it is a reason to assign them anew."""


class StreamsGroupConfig:
    """Values of the `group.streams.*` options; a group's own go before them."""

    __slots__ = ("_get", "_group_overrides")

    def __init__(self, get: Callable[[str], Any], group_overrides: Callable[[str], Mapping[str, str]]) -> None:
        """Read the options through `get(name)`, which returns typed values; `group_overrides(group_id)` as texts."""
        self._get = get
        self._group_overrides = group_overrides

    @property
    def max_size(self) -> int:
        """How many members a group may have."""
        return int(self._get("group.streams.max.size"))

    def session_timeout_of(self, group_id: str) -> int:
        """After how many milliseconds without a heartbeat a member is gone."""
        return self._of(group_id, "group.streams.session.timeout.ms")

    def heartbeat_interval_of(self, group_id: str) -> int:
        """How often a member is to send a heartbeat, in milliseconds."""
        return self._of(group_id, "group.streams.heartbeat.interval.ms")

    def initial_delay_of(self, group_id: str) -> int:
        """How many milliseconds an empty group waits for more members before it assigns its first tasks."""
        return self._of(group_id, "group.streams.initial.rebalance.delay.ms")

    def assignment_interval_of(self, group_id: str) -> int:
        """How many milliseconds two targets of the group lie apart at least."""
        return self._of(group_id, "group.streams.assignment.interval.ms")

    def assignment_options_of(self, group_id: str) -> dict[str, str]:
        """What the assignor goes by, in the form in which the group remembers it."""
        return {NUM_STANDBY_REPLICAS: str(self._of(group_id, "group.streams.num.standby.replicas"))}

    def _of(self, group_id: str, name: str) -> int:
        own = self._group_overrides(group_id).get(name.removeprefix("group."))
        return int(self._get(name) if own is None else own)
