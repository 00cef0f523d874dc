"""What handlers need for share groups; made together, with the first request for any of it (`kwire.share_wiring`)."""

from __future__ import annotations

from kwire.coord.group.share.coordinator import ShareGroupCoordinator
from kwire.coord.group.share.offsets import ShareGroupOffsets
from kwire.coord.share.coordinator import ShareCoordinator
from kwire.share.manager import SharePartitionManager


class ShareServices:
    """The groups with their members and offsets, the states of their partitions, and the partitions being read."""

    __slots__ = ("groups", "offsets", "partitions", "states")

    def __init__(
        self,
        groups: ShareGroupCoordinator,
        offsets: ShareGroupOffsets,
        states: ShareCoordinator,
        partitions: SharePartitionManager,
    ) -> None:
        self.groups = groups
        self.offsets = offsets
        self.states = states
        self.partitions = partitions

    def stop(self) -> None:
        """Nothing runs afterwards."""
        self.partitions.stop()
        self.states.stop()
