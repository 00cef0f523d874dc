"""The `group.share.*` options that the groups need, typed, and what single groups have in their place."""

from __future__ import annotations

from kwire.coord.group.config import GroupConfig


class ShareGroupConfig:
    """Values of the options, read anew at each use; a group's own lie within the bounds that the broker sets."""

    __slots__ = ("_config", "initialize_retry_interval_ms", "max_size")

    def __init__(self, config: GroupConfig) -> None:
        self._config = config
        self.max_size: int = config.get("group.share.max.size")
        self.initialize_retry_interval_ms: int = config.get("group.share.initialize.retry.interval.ms")

    def session_timeout_of(self, group_id: str) -> int:
        """After how many milliseconds without a heartbeat a member is gone."""
        return self._value(group_id, "session.timeout.ms", "group.share.session.timeout.ms")

    def heartbeat_interval_of(self, group_id: str) -> int:
        """How often a member is to send a heartbeat, in milliseconds."""
        return self._value(group_id, "heartbeat.interval.ms", "group.share.heartbeat.interval.ms")

    def assignment_interval_of(self, group_id: str) -> int:
        """How many milliseconds two targets of the group lie apart at least."""
        return self._value(group_id, "assignment.interval.ms", "group.share.assignment.interval.ms")

    def _value(self, group_id: str, name: str, option: str) -> int:
        get = self._config.get
        own = self._config.group_overrides(group_id).get(f"share.{name}")
        if own is None:
            return int(get(option))
        low, high = int(get(f"group.share.min.{name}")), int(get(f"group.share.max.{name}"))
        return min(max(int(own), low), high)
