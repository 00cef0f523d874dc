"""What a decision means for the replicas of a broker: the orders that the controller gives, as values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from kwire.cluster.controller.changes import Change, PartitionsAdded, PartitionsChanged, TopicCreated
from kwire.cluster.metadata_cache import PartitionImage, TopicImage
from kwire.cluster.znodes import NO_LEADER
from kwire.ids import TopicPartition
from kwire.named_tuple import NamedTuple


class PartitionAssignment(NamedTuple):
    """What was decided about one partition; `overrides` are its topic's own settings."""

    topic: str
    topic_id: bytes
    partition: int
    leader: int
    leader_epoch: int
    isr: list[int]
    replicas: list[int]
    partition_epoch: int
    is_new: bool
    overrides: Mapping[str, str]


class PartitionLeadership(Protocol):
    """The part of a broker that leads and follows partitions (`kwire.replica`)."""

    async def apply(self, assignments: Iterable[PartitionAssignment]) -> None:
        """Take these roles; a partition that is new here gets its log. Returns once they can be used."""
        ...

    async def stop(self, names: Iterable[TopicPartition], *, delete: bool) -> None:
        """Give these partitions up; with `delete`, their logs too."""
        ...

    def reconfigure(self, topic: str, overrides: Mapping[str, str]) -> None:
        """A topic's settings have changed."""
        ...


def without_leader(partition: PartitionImage) -> PartitionImage:
    return PartitionImage(
        partition.index,
        NO_LEADER,
        partition.leader_epoch + 1,
        partition.replicas,
        partition.isr,
        partition.partition_epoch,
    )


def assignments(change: Change) -> list[PartitionAssignment]:
    if isinstance(change, TopicCreated):
        return assignments_of(change.topic, change.topic.partitions, is_new=True)
    if isinstance(change, PartitionsAdded):
        return assignments_of(change.topic, change.added, is_new=True)
    if isinstance(change, PartitionsChanged):
        return assignments_of(change.topic, change.changed, is_new=False)
    return []


def assignments_of(
    topic: TopicImage, partitions: Iterable[PartitionImage], *, is_new: bool
) -> list[PartitionAssignment]:
    return [
        PartitionAssignment(
            topic.name,
            topic.topic_id,
            partition.index,
            partition.leader,
            partition.leader_epoch,
            partition.isr,
            partition.replicas,
            partition.partition_epoch,
            is_new,
            topic.overrides,
        )
        for partition in partitions
    ]
