"""Options of groups."""

from __future__ import annotations

from kwire.config.forms import OFFSET_RESET
from kwire.config.option import (
    BOOLEAN,
    CLUSTER_WIDE,
    INT,
    MEDIUM,
    STRING,
    OneOf,
    Option,
    Range,
)

# fmt: off
GROUP_OPTIONS: tuple[Option, ...] = (
    Option("consumer.assignment.interval.ms", INT, "1000", Range(0), MEDIUM, CLUSTER_WIDE,
           "", only="4.3", synonyms=(("group.consumer.assignment.interval.ms", 1),)),
    Option("consumer.heartbeat.interval.ms", INT, "5000", Range(1), MEDIUM, CLUSTER_WIDE,
           "", only="4.3", synonyms=(("group.consumer.heartbeat.interval.ms", 1),)),
    Option("consumer.session.timeout.ms", INT, "45000", Range(1), MEDIUM, CLUSTER_WIDE,
           "", only="4.3", synonyms=(("group.consumer.session.timeout.ms", 1),)),
    Option("share.assignment.interval.ms", INT, "1000", Range(0), MEDIUM, CLUSTER_WIDE,
           "", only="4.3", synonyms=(("group.share.assignment.interval.ms", 1),)),
    Option("share.auto.offset.reset", STRING, "latest", OFFSET_RESET, MEDIUM, CLUSTER_WIDE,
           "", only="4.3"),
    Option("share.delivery.count.limit", INT, "5", Range(2), MEDIUM, CLUSTER_WIDE,
           "", only="4.3", synonyms=(("group.share.delivery.count.limit", 1),)),
    Option("share.heartbeat.interval.ms", INT, "5000", Range(1), MEDIUM, CLUSTER_WIDE,
           "", only="4.3", synonyms=(("group.share.heartbeat.interval.ms", 1),)),
    Option("share.isolation.level", STRING, "read_uncommitted",
           OneOf(("read_committed", "read_uncommitted",)), MEDIUM, CLUSTER_WIDE,
           "", only="4.3"),
    Option("share.partition.max.record.locks", INT, "2000", Range(100), MEDIUM, CLUSTER_WIDE,
           "", only="4.3", synonyms=(("group.share.partition.max.record.locks", 1),)),
    Option("share.record.lock.duration.ms", INT, "30000", Range(1000), MEDIUM, CLUSTER_WIDE,
           "", only="4.3", synonyms=(("group.share.record.lock.duration.ms", 1),)),
    Option("share.renew.acknowledge.enable", BOOLEAN, "true", None, MEDIUM, CLUSTER_WIDE,
           "", only="4.3"),
    Option("share.session.timeout.ms", INT, "45000", Range(1), MEDIUM, CLUSTER_WIDE,
           "", only="4.3", synonyms=(("group.share.session.timeout.ms", 1),)),
    Option("streams.assignment.interval.ms", INT, "1000", Range(0), MEDIUM, CLUSTER_WIDE,
           "", only="4.3", synonyms=(("group.streams.assignment.interval.ms", 1),)),
    Option("streams.heartbeat.interval.ms", INT, "5000", Range(1), MEDIUM, CLUSTER_WIDE,
           "", only="4.3", synonyms=(("group.streams.heartbeat.interval.ms", 1),)),
    Option("streams.initial.rebalance.delay.ms", INT, "3000", Range(0), MEDIUM, CLUSTER_WIDE,
           "", only="4.3", synonyms=(("group.streams.initial.rebalance.delay.ms", 1),)),
    Option("streams.num.standby.replicas", INT, "0", Range(0), MEDIUM, CLUSTER_WIDE,
           "", only="4.3", synonyms=(("group.streams.num.standby.replicas", 1),)),
    Option("streams.session.timeout.ms", INT, "45000", Range(1), MEDIUM, CLUSTER_WIDE,
           "", only="4.3", synonyms=(("group.streams.session.timeout.ms", 1),)),
)
