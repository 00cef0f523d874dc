"""How a broker enters the cluster: the persistent paths, the cluster id, its own id, its registration."""

from __future__ import annotations

from kwire.cluster.store import Create, MetadataStore, NodeExistsError, Operation, SetData, Stat
from kwire.cluster.znodes import (
    PERSISTENT_PATHS,
    BrokerIdZnode,
    BrokerRegistration,
    BrokerSequenceIdZnode,
    ClusterIdZnode,
)


class InconsistentBrokerIdError(Exception):
    """The configured broker id is not the one that the data directory belongs to."""


class BrokerIdTakenError(Exception):
    """A live broker holds this id."""


async def ensure_persistent_paths(store: MetadataStore) -> None:
    """Create what Kafka expects to be there; a tree that has it is not written to."""
    lacking: list[Operation] = [
        Create(path)
        for path, node in zip(PERSISTENT_PATHS, await store.get_many(PERSISTENT_PATHS), strict=True)
        if node is None
    ]
    if not lacking:
        return
    try:
        await store.multi(lacking)
    except NodeExistsError:  # Another broker starts at the same time.
        await ensure_persistent_paths(store)


async def ensure_cluster_id(store: MetadataStore, proposed: str) -> str:
    """The cluster's id; `proposed` (22 characters of base64) becomes it if there is none yet."""
    (node,) = await store.get_many([ClusterIdZnode.PATH])
    if node is not None:
        return ClusterIdZnode.decode(node[0])
    try:
        if await store.exists("/cluster") is None:
            await store.create("/cluster")
        await store.create(ClusterIdZnode.PATH, ClusterIdZnode.encode(proposed))
    except NodeExistsError:
        return await ensure_cluster_id(store, proposed)
    return proposed


async def choose_broker_id(
    store: MetadataStore, *, configured: int, stored: int | None, generate: bool, reserved_max: int
) -> int:
    """The broker's id (apache/kafka `KafkaServer.getOrGenerateBrokerId`).

    `configured` is `broker.id` (-1: none), `stored` that of `meta.properties`, `generate` and `reserved_max` are
    `broker.id.generation.enable` and `reserved.broker.max.id`. A generated id is `reserved_max` plus the new data
    version of `/brokers/seqid`. Raises InconsistentBrokerIdError.
    """
    if configured >= 0 and stored is not None and configured != stored:
        raise InconsistentBrokerIdError(
            f"broker.id is {configured}, but the data directory belongs to broker {stored}; "
            "use another directory, or correct broker.id"
        )
    if stored is not None:
        return stored
    if configured >= 0:
        return configured
    if not generate:
        raise InconsistentBrokerIdError("broker.id is not set, and broker.id.generation.enable is false")
    stat = await store.set(BrokerSequenceIdZnode.PATH, None)
    return reserved_max + stat.version


async def register_broker(store: MetadataStore, registration: BrokerRegistration) -> int:
    """Make this session's broker a live one; returns its epoch, the czxid of its node.

    Raises BrokerIdTakenError while another session holds the id.
    """
    path = BrokerIdZnode.path(registration.broker_id)
    operations: list[Operation] = [
        Create(path, None, ephemeral=True),
        SetData(path, BrokerIdZnode.encode(registration), 0),
    ]
    try:
        results = await store.multi(operations)
    except NodeExistsError:
        raise BrokerIdTakenError(f"broker id {registration.broker_id} is taken by a live broker") from None
    stat = results[1]
    assert isinstance(stat, Stat)
    return stat.czxid
