"""Puts the parts of share groups together when they are first asked for: groups, states, and partitions being read.

The three know each other as Protocols only: members of groups make states necessary, the share coordinator keeps them,
and the share partitions read and write them through it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from kwire.api.share_services import ShareServices
from kwire.coord.answers import when_settled
from kwire.coord.group.share.coordinator import ShareGroupCoordinator
from kwire.coord.group.share.offsets import ShareGroupOffsets
from kwire.coord.share.config import ShareCoordinatorConfig
from kwire.coord.share.coordinator import SHARE_GROUP_STATE_TOPIC, ShareCoordinator
from kwire.coord.share.persister import PatientPersister
from kwire.coord.share.shard import Change, Outcome
from kwire.coord.share.state import ShareKey, StateBatch
from kwire.coordinators import follow_leadership
from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition
from kwire.replica.internal_topic import InternalTopic
from kwire.replica.partition import Partition
from kwire.share.config import ShareConfig
from kwire.share.manager import SharePartitionManager
from kwire.share.ports import FetchedLog, SharePartitionKey, StateToStore, StoredState
from kwire.wire.messages.read_share_group_state import StateBatch as StateBatchMessage
from kwire.wire.parts import FileRange

if TYPE_CHECKING:
    from kwire.api.context import Services


class ConsumedLog:
    """A partition that this broker leads, as share partitions read it (`kwire.share.ports.PartitionLog`)."""

    def __init__(self, partition: Partition) -> None:
        self.partition = partition
        self.watchers = partition.watchers

    @property
    def leader_epoch(self) -> int:
        """The epoch in which somebody leads it."""
        return self.partition.leader_epoch

    @property
    def start_offset(self) -> int:
        """The first offset that is kept."""
        return self.partition.log.log_start_offset

    @property
    def high_watermark(self) -> int:
        """The first offset that is not committed yet."""
        return self.partition.log.high_watermark

    def offset_at(self, timestamp_ms: int) -> int | None:
        """The offset of the first record that is not older; None if there is none."""
        found = self.partition.log.offset_for_timestamp(timestamp_ms)
        return None if found is None or found[1] >= self.high_watermark else found[1]

    def read(self, offset: int, max_bytes: int, *, read_committed: bool) -> FetchedLog:
        """See `PartitionLog.read`."""
        partition = self.partition
        partition.check_leader()
        found = partition.read(offset, max_bytes, read_committed=read_committed, min_one_message=True)
        records = found.records
        try:
            data = records.read() if isinstance(records, FileRange) else bytes(records)
        except OSError as error:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, str(error)) from error
        return FetchedLog(data, partition.log.aborted_in(offset, found) if read_committed else ())

    def __repr__(self) -> str:
        return str(self.partition.topic_partition)


class LocalPersister:
    """The share coordinator as share partitions use it (`kwire.share.ports.Persister`)."""

    def __init__(self, states: PatientPersister) -> None:
        self._states = states

    def read(self, key: SharePartitionKey, leader_epoch: int, done: Callable[[StoredState | KafkaError], None]) -> None:
        """See `Persister.read`."""

        def finish(outcome: Outcome) -> None:
            if outcome.error is not None:
                done(outcome.error)
                return
            state = outcome.state
            batches = [
                StateBatchMessage(first_offset=first, last_offset=last, delivery_state=kind, delivery_count=deliveries)
                for first, last, kind, deliveries in state.batches
            ]
            done(StoredState(state.start_offset, state.state_epoch, batches))

        when_settled(self._states.read_one(ShareKey(*key), leader_epoch), finish)

    def write(self, key: SharePartitionKey, state: StateToStore, done: Callable[[KafkaError | None], None]) -> None:
        """See `Persister.write`."""
        change = Change(
            state.state_epoch,
            state.leader_epoch,
            state.start_offset,
            state.complete_count,
            tuple(StateBatch(*batch) for batch in state.batches),
        )
        when_settled(self._states.write_one(ShareKey(*key), change), lambda outcome: done(outcome.error))


def share_services(services: Services) -> ShareServices:
    """All of it, with the states and the groups of the partitions that are led by now."""
    states = _share_coordinator(services)
    call_later = asyncio.get_running_loop().call_later
    persister = PatientPersister(states, call_later)
    groups = ShareGroupCoordinator(services.groups, persister, services.metadata)
    metadata, replicas = services.metadata, services.replicas

    def find_log(topic_id: bytes, partition: int) -> ConsumedLog:
        topic = metadata.topic_by_id(topic_id)
        if topic is None:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_ID)
        led = replicas.partition(topic.name, partition)
        led.check_leader()
        return ConsumedLog(led)

    config = ShareConfig(services.config.get, metadata.group_overrides_of)
    partitions = SharePartitionManager(config, find_log, LocalPersister(persister), services.clock.now_ms, call_later)

    def latest_offset(topic: str, partition: int) -> int:
        return replicas.log_of(TopicPartition(topic, partition)).high_watermark

    def on_leadership(name: TopicPartition, leader_epoch: int, is_leader: bool) -> None:
        partitions.drop_logs(lambda log: isinstance(log, ConsumedLog) and log.partition.topic_partition == name)

    replicas.on_leadership.append(on_leadership)
    share = ShareServices(groups, ShareGroupOffsets(groups, latest_offset), states, persister, partitions)
    share.on_topics_deleted()  # Some may have been while nobody was there to hear of it.
    return share


def _share_coordinator(services: Services) -> ShareCoordinator:
    options, metadata = services.config, services.metadata

    async def ensure_topic() -> None:
        await services.controller.ensure_internal_topic(SHARE_GROUP_STATE_TOPIC)

    def exists(topic_id: bytes, partition: int) -> bool:
        topic = metadata.topic_by_id(topic_id)
        return topic is not None and partition < len(topic.partitions)

    def delete_before(name: TopicPartition, offset: int) -> None:
        services.replicas.partition(name.topic, name.partition).delete_records(offset)

    states = ShareCoordinator(
        ShareCoordinatorConfig(options.get),
        InternalTopic(services.replicas),
        services.clock,
        partition_count=lambda: metadata.partition_count(SHARE_GROUP_STATE_TOPIC),
        ensure_internal_topic=ensure_topic,
        exists=exists,
        delete_before=delete_before,
        commit_timeout_ms=options.int("share.coordinator.write.timeout.ms"),
        compression=options.int("share.coordinator.state.topic.compression.codec"),
        load_slice_bytes=options.int("share.coordinator.load.buffer.size"),
    )
    follow_leadership(states, SHARE_GROUP_STATE_TOPIC, services.replicas)
    return states
