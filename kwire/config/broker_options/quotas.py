"""Quotas: windows and throttles."""

from __future__ import annotations

from kwire.config.option import (
    CLASS,
    CLUSTER_WIDE,
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
    Option("alter.log.dirs.replication.quota.window.num", INT, "11", Range(1), LOW, READ_ONLY,
           "How many samples the quota of moves between directories looks at."),
    Option("alter.log.dirs.replication.quota.window.size.seconds", INT, "1", Range(1), LOW, READ_ONLY,
           "The length of such a sample in seconds."),
    Option("client.quota.callback.class", CLASS, None, None, LOW, READ_ONLY,
           "The class that decides which quota holds for a client."),
    Option("controller.quota.window.num", INT, "11", Range(1), LOW, READ_ONLY,
           "How many samples the quota of changes to topics looks at."),
    Option("controller.quota.window.size.seconds", INT, "1", Range(1), LOW, READ_ONLY,
           "The length of such a sample in seconds."),
    Option("follower.replication.throttled.rate", LONG, "9223372036854775807", Range(0), MEDIUM, CLUSTER_WIDE,
           "How many bytes a second followers fetch for throttled replicas."),
    Option("leader.replication.throttled.rate", LONG, "9223372036854775807", Range(0), MEDIUM, CLUSTER_WIDE,
           "How many bytes a second leaders send for throttled replicas."),
    Option("quota.window.num", INT, "11", Range(1), LOW, READ_ONLY,
           "How many samples the quotas of clients look at."),
    Option("quota.window.size.seconds", INT, "1", Range(1), LOW, READ_ONLY,
           "The length of such a sample in seconds."),
    Option("replication.quota.window.num", INT, "11", Range(1), LOW, READ_ONLY,
           "How many samples the quota of replication looks at."),
    Option("replication.quota.window.size.seconds", INT, "1", Range(1), LOW, READ_ONLY,
           "The length of such a sample in seconds."),
)
