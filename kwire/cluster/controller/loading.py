"""From the tree to images: what a new controller, or a broker at start, reads."""

from __future__ import annotations

import logging

from kwire.cluster.config_znodes import DEFAULT_ENTITY, ConfigEntityZnode
from kwire.cluster.metadata_cache import BrokerImage, PartitionImage, TopicImage
from kwire.cluster.store import MetadataStore, NoNodeError
from kwire.cluster.znodes import (
    NO_LEADER,
    BrokerIdsZnode,
    BrokerIdZnode,
    DeleteTopicsZnode,
    PartitionState,
    TopicPartitionStateZnode,
    TopicsZnode,
    TopicZnode,
    ZnodeError,
)

logger = logging.getLogger("kwire.cluster")


async def load_brokers(store: MetadataStore) -> list[BrokerImage]:
    """The live brokers. A registration that cannot be read is logged and left out."""
    ids = sorted(int(name) for name in await store.children(BrokerIdsZnode.PATH))
    nodes = await store.get_many([BrokerIdZnode.path(broker_id) for broker_id in ids])
    brokers = []
    for broker_id, node in zip(ids, nodes, strict=True):
        if node is None:
            continue  # Gone between the two reads; the watch on the parent tells.
        try:
            registration = BrokerIdZnode.decode(broker_id, node[0])
        except ZnodeError as error:
            logger.error("a broker's registration is left out: %s", error)
            continue
        brokers.append(BrokerImage(broker_id, registration.endpoints, registration.rack, node[1].czxid))
    return brokers


async def load_topics(store: MetadataStore) -> list[TopicImage]:
    """All topics, queued for deletion or not. A topic whose node cannot be read is logged and left out."""
    names = sorted(await store.children(TopicsZnode.PATH))
    nodes = await store.get_many([TopicZnode.path(name) for name in names])
    configs = await store.get_many([ConfigEntityZnode.path("topics", name) for name in names])
    assignments = []
    paths = []
    for name, node, config in zip(names, nodes, configs, strict=True):
        if node is None:
            continue
        try:
            assignment = TopicZnode.decode(name, node[0])
            overrides = ConfigEntityZnode.decode(ConfigEntityZnode.path("topics", name), config[0] if config else None)
        except ZnodeError as error:
            logger.error("a topic is left out: %s", error)
            continue
        assignments.append((name, assignment, overrides))
        paths += [TopicPartitionStateZnode.path(name, index) for index in sorted(assignment.replicas)]
    states = iter(zip(paths, await store.get_many(paths), strict=True))
    known: dict[bytes, PartitionState] = {}
    topics = []
    for name, assignment, overrides in assignments:
        partitions = []
        for index in sorted(assignment.replicas):
            path, state = next(states)
            partitions.append(
                _partition(index, assignment.replicas[index], path, state and (state[0], state[1].version), known)
            )
        topics.append(TopicImage(name, assignment.topic_id, partitions, overrides))
    return topics


def _partition(
    index: int,
    replicas: list[int],
    path: str,
    node: tuple[bytes | None, int] | None,
    known: dict[bytes, PartitionState],
) -> PartitionImage:
    """A partition whose state is missing or unreadable is shown without a leader: its data must not be guessed at.

    `known` holds the states read so far by their bytes: on a broker with a thousand partitions most are the same.
    """
    if node is not None:
        data, version = node
        state = known.get(data or b"")
        if state is None:
            try:
                state = known[data or b""] = TopicPartitionStateZnode.decode(path, data)
            except ZnodeError as error:
                logger.error("a partition stays offline: %s", error)
        if state is not None:
            return PartitionImage(index, state.leader, state.leader_epoch, replicas, state.isr, version)
    return PartitionImage(index, NO_LEADER, -1, replicas, [], -1)


async def load_topic_overrides(store: MetadataStore) -> dict[str, dict[str, str]]:
    """Each topic's own settings, by name: what a broker needs before it has a controller, to recover its logs."""
    try:
        names = await store.children(ConfigEntityZnode.type_path("topics"))
    except NoNodeError:
        return {}
    paths = [ConfigEntityZnode.path("topics", name) for name in names]
    overrides = {}
    for name, path, node in zip(names, paths, await store.get_many(paths), strict=True):
        try:
            overrides[name] = ConfigEntityZnode.decode(path, node[0] if node else None)
        except ZnodeError as error:
            logger.error("the settings of a topic are left out: %s", error)
    return overrides


async def load_deletions(store: MetadataStore) -> list[str]:
    """Names of the topics that are queued for deletion."""
    return sorted(await store.children(DeleteTopicsZnode.PATH))


async def load_broker_configs(store: MetadataStore, broker_id: int) -> list[dict[str, str]]:
    """Dynamic broker settings: of this broker, then the cluster's defaults."""
    paths = [ConfigEntityZnode.path("brokers", name) for name in (str(broker_id), DEFAULT_ENTITY)]
    nodes = await store.get_many(paths)
    return [ConfigEntityZnode.decode(path, node[0] if node else None) for path, node in zip(paths, nodes, strict=True)]
