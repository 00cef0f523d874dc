"""The topics in which coordinators keep their state, with the settings that Kafka gives them."""

from __future__ import annotations

from kwire.cluster.controller.core import NewTopic
from kwire.config.broker_config import BrokerConfig


def internal_topic(name: str, options: BrokerConfig) -> NewTopic:
    """An internal topic as its coordinator needs it (apache/kafka `GroupCoordinatorConfig`, `TransactionLogConfig`,
    `ShareCoordinatorConfig`)."""
    if name == "__consumer_offsets":
        return NewTopic(
            name,
            options.get("offsets.topic.num.partitions"),
            options.get("offsets.topic.replication.factor"),
            overrides={
                "compression.type": "producer",
                "cleanup.policy": "compact",
                "segment.bytes": str(options.get("offsets.topic.segment.bytes")),
            },
        )
    if name == "__share_group_state":
        return NewTopic(
            name,
            options.get("share.coordinator.state.topic.num.partitions"),
            options.get("share.coordinator.state.topic.replication.factor"),
            overrides={
                "cleanup.policy": "delete",
                "compression.type": "producer",
                "min.insync.replicas": str(options.get("share.coordinator.state.topic.min.isr")),
                "retention.ms": "-1",
                "segment.bytes": str(options.get("share.coordinator.state.topic.segment.bytes")),
            },
        )
    assert name == "__transaction_state"
    return NewTopic(
        name,
        options.get("transaction.state.log.num.partitions"),
        options.get("transaction.state.log.replication.factor"),
        overrides={
            "compression.type": "uncompressed",
            "cleanup.policy": "compact",
            "min.insync.replicas": str(options.get("transaction.state.log.min.isr")),
            "segment.bytes": str(options.get("transaction.state.log.segment.bytes")),
            "unclean.leader.election.enable": "false",
        },
    )
