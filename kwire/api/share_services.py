"""What handlers need for share groups; made together, with the first request for any of it (`kwire.share_wiring`)."""

from __future__ import annotations

from kwire.coord.group.share.coordinator import ShareGroupCoordinator
from kwire.coord.group.share.offsets import ShareGroupOffsets
from kwire.coord.share.coordinator import ShareCoordinator
from kwire.coord.share.persister import PatientPersister
from kwire.share.manager import SharePartitionManager


class ShareServices:
    """The groups with their members and offsets, the states of their partitions, and the partitions being read."""

    __slots__ = ("groups", "offsets", "partitions", "persister", "states")

    def __init__(
        self,
        groups: ShareGroupCoordinator,
        offsets: ShareGroupOffsets,
        states: ShareCoordinator,
        persister: PatientPersister,
        partitions: SharePartitionManager,
    ) -> None:
        self.groups = groups
        self.offsets = offsets
        self.states = states
        self.persister = persister
        self.partitions = partitions

    def on_topics_deleted(self) -> None:
        """Topics were deleted: their partitions have no states any more."""
        self.states.on_topics_deleted()
        self.groups.on_topics_deleted()

    def stop(self) -> None:
        """Nothing runs afterwards."""
        self.partitions.stop()
        self.persister.stop()
        self.states.stop()
