"""The `share.coordinator.*` options that the core needs, typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class ShareCoordinatorConfig:
    """After how many updates a snapshot is written, and how often what is old is looked at, in milliseconds."""

    __slots__ = ("cold_snapshot_interval_ms", "prune_interval_ms", "updates_per_snapshot")

    def __init__(self, get: Callable[[str], Any]) -> None:
        """Read the options through `get(name)`, which returns typed values."""
        self.updates_per_snapshot: int = get("share.coordinator.snapshot.update.records.per.snapshot")
        self.cold_snapshot_interval_ms: int = get("share.coordinator.cold.partition.snapshot.interval.ms")
        self.prune_interval_ms: int = get("share.coordinator.state.topic.prune.interval.ms")
