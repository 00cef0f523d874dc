"""Which options change what kwire does. All others are known, checked and described, and change nothing.

The two lists are kept by hand and held by a test, which compares them with the names that the code reads.
"""

from __future__ import annotations

from typing import Final

from kwire.config.topic_config import TOPIC_OPTIONS

READ_HERE: Final = frozenset(
    (
        "advertised.listeners",
        "broker.id",
        "controller.listener.names",
        "inter.broker.listener.name",
        "listener.security.protocol.map",
        "listeners",
        "log.dir",
        "log.dirs",
        "node.id",
        "security.inter.broker.protocol",
    )
)
"""Broker options that `BrokerConfig` itself turns into listeners, directories and the broker's number."""

BOUNDS_OF_GROUPS: Final = (
    frozenset(
        f"group.{kind}.{bound}.{option}"
        for kind in ("consumer", "share")
        for bound in ("min", "max")
        for option in ("assignment.interval.ms", "heartbeat.interval.ms", "session.timeout.ms")
    )
    | frozenset(
        f"group.share.{bound}.{option}"
        for bound in ("min", "max")
        for option in ("delivery.count.limit", "partition.max.record.locks", "record.lock.duration.ms")
    )
    | frozenset(
        f"group.streams.{bound}.{option}"
        for bound, option in (
            ("min", "assignment.interval.ms"),
            ("min", "heartbeat.interval.ms"),
            ("min", "session.timeout.ms"),
            ("max", "assignment.interval.ms"),
            ("max", "heartbeat.interval.ms"),
            ("max", "session.timeout.ms"),
            ("max", "standby.replicas"),
        )
    )
)
"""Broker options within which the settings of single groups must stay (`group_config`)."""

READ_BY_BROKER: Final = frozenset(
    (
        "auto.create.topics.enable",
        "broker.id.generation.enable",
        "broker.rack",
        "connections.max.idle.ms",
        "default.replication.factor",
        "delete.topic.enable",
        "fetch.max.bytes",
        "group.consumer.assignment.interval.ms",
        "group.consumer.assignors",
        "group.consumer.heartbeat.interval.ms",
        "group.consumer.max.size",
        "group.consumer.migration.policy",
        "group.consumer.regex.refresh.interval.ms",
        "group.consumer.session.timeout.ms",
        "group.coordinator.rebalance.protocols",
        "group.initial.rebalance.delay.ms",
        "group.max.session.timeout.ms",
        "group.max.size",
        "group.min.session.timeout.ms",
        "group.share.assignment.interval.ms",
        "group.share.delivery.count.limit",
        "group.share.heartbeat.interval.ms",
        "group.share.initialize.retry.interval.ms",
        "group.share.max.share.sessions",
        "group.share.max.size",
        "group.share.partition.max.record.locks",
        "group.share.record.lock.duration.ms",
        "group.share.session.timeout.ms",
        "group.streams.assignment.interval.ms",
        "group.streams.heartbeat.interval.ms",
        "group.streams.initial.rebalance.delay.ms",
        "group.streams.max.size",
        "group.streams.num.standby.replicas",
        "group.streams.session.timeout.ms",
        "kwire.lower.replication.factor",
        "log.cleaner.backoff.ms",
        "log.cleaner.dedupe.buffer.size",
        "log.cleaner.enable",
        "log.cleaner.io.buffer.load.factor",
        "log.cleaner.io.buffer.size",
        "log.cleaner.io.max.bytes.per.second",
        "log.cleaner.threads",
        "log.flush.offset.checkpoint.interval.ms",
        "log.flush.scheduler.interval.ms",
        "log.flush.start.offset.checkpoint.interval.ms",
        "log.retention.check.interval.ms",
        "max.connections",
        "max.connections.per.ip",
        "max.connections.per.ip.overrides",
        "max.incremental.fetch.session.cache.slots",
        "max.request.partition.size.limit",
        "num.partitions",
        "num.recovery.threads.per.data.dir",
        "offset.metadata.max.bytes",
        "offsets.commit.timeout.ms",
        "offsets.retention.check.interval.ms",
        "offsets.retention.minutes",
        "offsets.topic.compression.codec",
        "offsets.topic.num.partitions",
        "offsets.topic.replication.factor",
        "offsets.topic.segment.bytes",
        "producer.id.expiration.check.interval.ms",
        "producer.id.expiration.ms",
        "replica.alter.log.dirs.io.max.bytes.per.second",
        "replica.high.watermark.checkpoint.interval.ms",
        "reserved.broker.max.id",
        "share.coordinator.cold.partition.snapshot.interval.ms",
        "share.coordinator.load.buffer.size",
        "share.coordinator.snapshot.update.records.per.snapshot",
        "share.coordinator.state.topic.compression.codec",
        "share.coordinator.state.topic.min.isr",
        "share.coordinator.state.topic.num.partitions",
        "share.coordinator.state.topic.prune.interval.ms",
        "share.coordinator.state.topic.replication.factor",
        "share.coordinator.state.topic.segment.bytes",
        "share.coordinator.write.timeout.ms",
        "socket.listen.backlog.size",
        "socket.receive.buffer.bytes",
        "socket.request.max.bytes",
        "socket.send.buffer.bytes",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        "transaction.max.timeout.ms",
        "transaction.partition.verification.enable",
        "transaction.remove.expired.transaction.cleanup.interval.ms",
        "transaction.state.log.load.buffer.size",
        "transaction.state.log.min.isr",
        "transaction.state.log.num.partitions",
        "transaction.state.log.replication.factor",
        "transaction.state.log.segment.bytes",
        "transaction.two.phase.commit.enable",
        "transactional.id.expiration.ms",
    )
)
"""Broker options that the rest of kwire reads."""

READ_BY_TOPIC: Final = frozenset(
    (
        "cleanup.policy",
        "compression.gzip.level",
        "compression.lz4.level",
        "compression.type",
        "compression.zstd.level",
        "delete.retention.ms",
        "file.delete.delay.ms",
        "flush.messages",
        "flush.ms",
        "index.interval.bytes",
        "max.compaction.lag.ms",
        "internal.segment.bytes",
        "max.message.bytes",
        "message.downconversion.enable",
        "message.timestamp.after.max.ms",
        "message.timestamp.before.max.ms",
        "message.timestamp.difference.max.ms",
        "message.timestamp.type",
        "min.cleanable.dirty.ratio",
        "min.compaction.lag.ms",
        "min.insync.replicas",
        "preallocate",
        "retention.bytes",
        "retention.ms",
        "segment.bytes",
        "segment.index.bytes",
        "segment.jitter.ms",
        "segment.ms",
        "unclean.leader.election.enable",
    )
)
"""Topic options that kwire acts on; the broker options behind them have an effect by that."""

READ_WITHOUT_EFFECT: Final[frozenset[str]] = frozenset()
"""Topic options that the log reads for what is still to come."""

WITHOUT_MEANING: Final = (
    ("controller.quorum.", "it belongs to KRaft, and kwire keeps its metadata in a ZooKeeper tree"),
    ("metadata.", "it belongs to KRaft, and kwire keeps its metadata in a ZooKeeper tree"),
    ("process.roles", "it belongs to KRaft, and every kwire broker may become the controller"),
    ("broker.heartbeat.interval.ms", "it belongs to KRaft; sessions of the metadata store do this work"),
    ("broker.session.timeout.ms", "it belongs to KRaft; sessions of the metadata store do this work"),
    ("initial.broker.registration.timeout.ms", "it belongs to KRaft; sessions of the metadata store do this work"),
    ("zookeeper.metadata.migration.", "it belongs to the move to KRaft, which kwire does not make"),
    ("background.threads", "one event loop does the work of Kafka's threads"),
    ("num.io.threads", "one event loop does the work of Kafka's threads"),
    ("num.network.threads", "one event loop does the work of Kafka's threads"),
    ("queued.max.", "each connection has one request in work, so there is no queue of requests"),
)
"""Prefixes of options that cannot have an effect in kwire's design, and why."""


def effective_options() -> frozenset[str]:
    """Every broker option that has an effect, be it through the topics that inherit it."""
    inherited = {synonym for name in READ_BY_TOPIC for synonym, _ in TOPIC_OPTIONS[name].synonyms}
    return READ_HERE | BOUNDS_OF_GROUPS | READ_BY_BROKER | inherited


def without_effect(name: str) -> str | None:
    """None for a broker option that has an effect; else why it has none, "" when it is not built yet."""
    if name in effective_options():
        return None
    for prefix, why in WITHOUT_MEANING:
        if name.startswith(prefix):
            return why
    return ""
