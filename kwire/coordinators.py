"""Puts a broker's coordinators together: their logs, what they need of others, and the partitions that they serve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from kwire.ids import TopicPartition
from kwire.replica.internal_topic import InternalTopic
from kwire.replica.manager import ReplicaManager

if TYPE_CHECKING:
    from kwire.api.context import Services
    from kwire.coord.group.coordinator import GroupCoordinator
    from kwire.coord.txn.coordinator import TransactionCoordinator
    from kwire.replica.transaction_markers import LocalMarkerWriter


class Coordinator(Protocol):
    """What stands behind an internal topic."""

    def on_elected(self, partition: int, leader_epoch: int) -> None:
        """This broker leads the partition from now on."""

    def on_resigned(self, partition: int) -> None:
        """This broker leads the partition no more."""


def follow_leadership(coordinator: Coordinator, topic: str, replicas: ReplicaManager) -> None:
    """Give a coordinator the partitions of its topic that this broker leads, now and from now on."""

    def on_leadership(name: TopicPartition, leader_epoch: int, is_leader: bool) -> None:
        if name.topic != topic:
            return
        if is_leader:
            coordinator.on_elected(name.partition, leader_epoch)
        else:
            coordinator.on_resigned(name.partition)

    for partition in replicas:
        if partition.is_leader:
            on_leadership(partition.topic_partition, partition.leader_epoch, True)
    replicas.on_leadership.append(on_leadership)


def group_coordinator(services: Services) -> GroupCoordinator:
    """The group coordinator, with the groups of all partitions that are led by now."""
    from kwire.coord.group.config import GroupConfig
    from kwire.coord.group.consumer.config import LIVE_GROUP_OPTIONS
    from kwire.coord.group.coordinator import GROUP_METADATA_TOPIC, GroupCoordinator
    from kwire.coord.runtime import random_uuid

    options, metadata = services.config, services.metadata

    async def ensure_topic() -> None:
        await services.controller.ensure_internal_topic(GROUP_METADATA_TOPIC)

    config = GroupConfig.from_options(options.get, metadata.group_overrides_of)
    options.on_change(LIVE_GROUP_OPTIONS, lambda changed: config.consumer.read_live(options.get))
    groups = GroupCoordinator(
        config,
        InternalTopic(services.replicas),
        services.clock,
        partition_count=lambda: metadata.partition_count(GROUP_METADATA_TOPIC),
        ensure_internal_topic=ensure_topic,
        new_uuid=random_uuid,
        topics=metadata,
        commit_timeout_ms=options.int("offsets.commit.timeout.ms"),
        compression=options.int("offsets.topic.compression.codec"),
    )
    follow_leadership(groups, GROUP_METADATA_TOPIC, services.replicas)
    return groups


def _marker_writer(services: Services) -> LocalMarkerWriter:
    """Writes markers into the partitions that this broker leads; those of `__consumer_offsets` by its coordinator."""
    from kwire.replica.transaction_markers import LocalMarkerWriter

    def end_offsets_transaction(partition: int, batch: bytearray, producer_id: int, committed: bool) -> None:
        services.groups.end_transaction(partition, batch, producer_id, committed)

    return LocalMarkerWriter(
        services.replicas,
        services.clock.now_ms,
        exists=lambda topic, partition: 0 <= partition < services.metadata.partition_count(topic),
        end_offsets_transaction=end_offsets_transaction,
    )


def transaction_coordinator(services: Services) -> TransactionCoordinator:
    """The transaction coordinator, with the ids of all partitions that are led by now."""
    from kwire.coord.txn.config import TransactionConfig
    from kwire.coord.txn.coordinator import TRANSACTION_STATE_TOPIC, TransactionCoordinator

    async def ensure_topic() -> None:
        await services.controller.ensure_internal_topic(TRANSACTION_STATE_TOPIC)

    transactions = TransactionCoordinator(
        TransactionConfig.from_options(services.config.get),
        InternalTopic(services.replicas),
        services.clock,
        partition_count=lambda: services.metadata.partition_count(TRANSACTION_STATE_TOPIC),
        ensure_internal_topic=ensure_topic,
        producer_ids=services.producer_ids,
        markers=_marker_writer(services),
        load_slice_bytes=services.config.int("transaction.state.log.load.buffer.size"),
    )
    follow_leadership(transactions, TRANSACTION_STATE_TOPIC, services.replicas)
    return transactions
