"""Topics: how they are created and how many copies they have."""

from __future__ import annotations

from kwire.config.option import (
    BOOLEAN,
    CLASS,
    CLUSTER_WIDE,
    HIGH,
    INT,
    LONG,
    LOW,
    MEDIUM,
    READ_ONLY,
    Option,
    Range,
)

# fmt: off
OPTIONS: tuple[Option, ...] = (
    Option("alter.config.policy.class.name", CLASS, None, None, LOW, READ_ONLY,
           "A class that may refuse a change of configuration."),
    Option("alter.config.policy.kraft.compatibility.enable", BOOLEAN, "false", None, LOW, READ_ONLY,
           "Calls the alteration policy with the arguments that KRaft would give it.", only="3.9"),
    Option("auto.create.topics.enable", BOOLEAN, "true", None, HIGH, READ_ONLY,
           "Creates an unknown topic with the broker's defaults when a client asks for it."),
    Option("auto.leader.rebalance.enable", BOOLEAN, "true", None, HIGH, READ_ONLY,
           "Moves leadership back to the preferred replicas from time to time."),
    Option("create.topic.policy.class.name", CLASS, None, None, LOW, READ_ONLY,
           "A class that may refuse the creation of a topic."),
    Option("default.replication.factor", INT, "1", None, MEDIUM, READ_ONLY,
           "The replicas of a topic that is created without a count."),
    Option("delete.topic.enable", BOOLEAN, "true", None, HIGH, READ_ONLY,
           "Allows topics to be deleted."),
    Option("eligible.leader.replicas.enable", BOOLEAN, "false", None, HIGH, READ_ONLY,
           "Keeps track of replicas that may lead though they left the in-sync set (KIP-966).", only="3.9"),
    Option("kwire.lower.replication.factor", BOOLEAN, "false", None, LOW, READ_ONLY,
           "Lowers a replication factor above the number of brokers to that number, where Kafka refuses the topic."),
    Option("leader.imbalance.check.interval.seconds", LONG, "300", Range(1), HIGH, READ_ONLY,
           "How often the balance of leadership is looked at, in seconds."),
    Option("leader.imbalance.per.broker.percentage", INT, "10", None, HIGH, READ_ONLY,
           "The share of partitions led elsewhere, in percent, above which leadership is moved back.", only="3.9"),
    Option("min.insync.replicas", INT, "1", Range(1), HIGH, CLUSTER_WIDE,
           "How many replicas must have a record before a producer with acks=all is answered."),
    Option("num.partitions", INT, "1", Range(1), MEDIUM, READ_ONLY,
           "The partitions of a topic that is created without a count."),
    Option("unclean.leader.election.enable", BOOLEAN, "false", None, HIGH, CLUSTER_WIDE,
           "Lets a replica that is behind become leader when no other is left, at the price of records."),
    Option("unclean.leader.election.interval.ms", LONG, "300000", Range(1), MEDIUM, READ_ONLY,
           "How often partitions without a leader are looked through for an unclean election, in milliseconds.",
           internal=True),
)
