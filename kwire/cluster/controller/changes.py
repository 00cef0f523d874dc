"""The controller's effects as values: what changes in the cluster, and how each change is written and seen.

`operations` gives the store writes of a change (all of one decision go into one multi behind a check of the controller
epoch), `apply` puts it into the images. Both are pure; `driver` performs them.
"""

from __future__ import annotations

from collections.abc import Mapping

from kwire.cluster.config_znodes import ConfigChangesZnode, ConfigEntityZnode
from kwire.cluster.controller.config_alteration import GROUPS
from kwire.cluster.controller.group_configs import group_config_path
from kwire.cluster.metadata_cache import MetadataCache, PartitionImage, TopicImage
from kwire.cluster.store import Create, Delete, Operation, SetData
from kwire.cluster.znodes import (
    DeleteTopicsZnode,
    PartitionState,
    TopicAssignment,
    TopicPartitionStateZnode,
    TopicPartitionsZnode,
    TopicPartitionZnode,
    TopicZnode,
)
from kwire.named_tuple import NamedTuple


class TopicCreated(NamedTuple):
    """A topic with all its partitions."""

    topic: TopicImage


class PartitionsAdded(NamedTuple):
    """New partitions behind those of `topic` (the image before)."""

    topic: TopicImage
    added: list[PartitionImage]


class PartitionsChanged(NamedTuple):
    """Other leaders or ISRs: `changed` holds the images after, of `topic` (the image before)."""

    topic: TopicImage
    changed: list[PartitionImage]


class TopicDeletionQueued(NamedTuple):
    """From here on the topic will go away, whatever happens to this process."""

    name: str


class TopicDeleted(NamedTuple):
    """The rest, once no broker holds a replica any more. `topic` is None if only the queue entry is left."""

    name: str
    topic: TopicImage | None


class EntityConfigChanged(NamedTuple):
    """The dynamic settings of a topic, broker or group, all of them. `exists`: its znode is there already."""

    entity_type: str
    name: str
    config: Mapping[str, str]
    exists: bool


Change = TopicCreated | PartitionsAdded | PartitionsChanged | TopicDeletionQueued | TopicDeleted | EntityConfigChanged


def operations(change: Change, controller_epoch: int) -> list[Operation]:
    """The store writes of one change, parents before children."""
    if isinstance(change, TopicCreated):
        return _topic_created(change.topic, controller_epoch)
    if isinstance(change, PartitionsAdded):
        return _partitions_added(change, controller_epoch)
    if isinstance(change, PartitionsChanged):
        return [
            SetData(
                TopicPartitionStateZnode.path(change.topic.name, partition.index),
                _state(partition, controller_epoch),
                partition.partition_epoch - 1,
            )
            for partition in change.changed
        ]
    if isinstance(change, TopicDeletionQueued):
        return [Create(DeleteTopicsZnode.topic_path(change.name))]
    if isinstance(change, TopicDeleted):
        return _topic_deleted(change)
    return _entity_config_changed(change)


def apply(change: Change, cluster: MetadataCache) -> None:
    """Let the images show one change."""
    if isinstance(change, TopicCreated):
        cluster.put_topic(change.topic)
    elif isinstance(change, PartitionsAdded):
        cluster.put_topic(change.topic.with_partitions(change.added))
    elif isinstance(change, PartitionsChanged):
        cluster.put_topic(change.topic.with_partitions(change.changed))
    elif isinstance(change, TopicDeletionQueued | TopicDeleted):
        cluster.remove_topic(change.name)
    elif change.entity_type == "topics":
        topic = cluster.topics.get(change.name)
        if topic is not None:
            cluster.put_topic(topic.with_overrides(change.config))
    elif change.entity_type == GROUPS:
        cluster.group_overrides[change.name] = dict(change.config)


def _state(partition: PartitionImage, controller_epoch: int) -> bytes:
    return TopicPartitionStateZnode.encode(
        PartitionState(controller_epoch, partition.leader, partition.leader_epoch, partition.isr)
    )


def _assignment(topic: TopicImage) -> bytes:
    replicas = {partition.index: partition.replicas for partition in topic.partitions}
    return TopicZnode.encode(TopicAssignment(topic.topic_id, replicas, {}, {}))


def _new_partitions(topic: str, partitions: list[PartitionImage], controller_epoch: int) -> list[Operation]:
    written: list[Operation] = []
    for partition in partitions:
        written.append(Create(TopicPartitionZnode.path(topic, partition.index)))
        written.append(
            Create(TopicPartitionStateZnode.path(topic, partition.index), _state(partition, controller_epoch))
        )
    return written


def _topic_created(topic: TopicImage, controller_epoch: int) -> list[Operation]:
    return [
        # Settings first: whoever sees the topic must find them.
        Create(ConfigEntityZnode.path("topics", topic.name), ConfigEntityZnode.encode(topic.overrides)),
        Create(TopicZnode.path(topic.name), _assignment(topic)),
        Create(TopicPartitionsZnode.path(topic.name)),
        *_new_partitions(topic.name, topic.partitions, controller_epoch),
    ]


def _partitions_added(change: PartitionsAdded, controller_epoch: int) -> list[Operation]:
    name = change.topic.name
    return [
        SetData(TopicZnode.path(name), _assignment(change.topic.with_partitions(change.added))),
        *_new_partitions(name, change.added, controller_epoch),
    ]


def _topic_deleted(change: TopicDeleted) -> list[Operation]:
    written: list[Operation] = []
    if change.topic is not None:
        name = change.name
        for partition in change.topic.partitions:
            written.append(Delete(TopicPartitionStateZnode.path(name, partition.index)))
            written.append(Delete(TopicPartitionZnode.path(name, partition.index)))
        written.append(Delete(TopicPartitionsZnode.path(name)))
        written.append(Delete(TopicZnode.path(name)))
        written.append(Delete(ConfigEntityZnode.path("topics", name)))
    written.append(Delete(DeleteTopicsZnode.topic_path(change.name)))
    return written


def _entity_config_changed(change: EntityConfigChanged) -> list[Operation]:
    data = ConfigEntityZnode.encode(change.config)
    if change.entity_type == GROUPS:
        path = group_config_path(change.name)
        return [SetData(path, data) if change.exists else Create(path, data)]
    path = ConfigEntityZnode.path(change.entity_type, change.name)
    notice = ConfigChangesZnode.encode(f"{change.entity_type}/{change.name}")
    return [
        SetData(path, data) if change.exists else Create(path, data),
        Create(ConfigChangesZnode.PREFIX, notice, sequential=True),
    ]
