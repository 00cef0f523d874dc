"""Who leads a partition after brokers have come or gone (apache/kafka `PartitionStateMachine`, `Election`)."""

from __future__ import annotations

from collections.abc import Container

from kwire.cluster.metadata_cache import PartitionImage
from kwire.cluster.znodes import NO_LEADER


def after_broker_change(
    partition: PartitionImage, live: Container[int], *, unclean_allowed: bool
) -> PartitionImage | None:
    """The partition's next image, or None if it stays as it is.

    A dead follower leaves the ISR; a dead leader is replaced by the first live replica of the ISR. With no live one in
    the ISR the partition goes offline and its ISR is kept, for its members have all that was acknowledged, unless
    `unclean_allowed` lets any live replica take over with what it has (KIP-106). The leader epoch grows each time.
    """
    leader_lives = partition.leader in live
    live_isr = [replica for replica in partition.isr if replica in live]
    if leader_lives and len(live_isr) == len(partition.isr):
        return None
    if leader_lives:
        return _next(partition, partition.leader, live_isr)
    candidates = [replica for replica in partition.replicas if replica in live_isr]
    if candidates:
        return _next(partition, candidates[0], live_isr)
    if unclean_allowed:
        survivors = [replica for replica in partition.replicas if replica in live]
        if survivors:
            return _next(partition, survivors[0], survivors[:1])
    if partition.leader == NO_LEADER:
        return None
    return _next(partition, NO_LEADER, partition.isr)


def _next(partition: PartitionImage, leader: int, isr: list[int]) -> PartitionImage:
    return PartitionImage(
        partition.index, leader, partition.leader_epoch + 1, partition.replicas, isr, partition.partition_epoch + 1
    )
