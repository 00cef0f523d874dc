"""Profiles: the few defaults of Kafka that are a nuisance on one developer's machine, changed in one table.

`dev` is what `kwire start` uses; `kafka` is Kafka's own defaults to the letter. A value set anywhere (file, command
line, environment, dynamic) wins over the profile, and DescribeConfigs shows a profile's value as a static one.

What the dev profile leaves alone on purpose: `offsets.topic.num.partitions` and `transaction.state.log.num.partitions`
stay 50. Clients and tools can see the count, a group's partition is its hash modulo the count, and a directory written
with another count could not be served by Apache Kafka or by `--profile kafka` afterwards. Fifty empty partitions cost
some ten milliseconds once.
"""

from __future__ import annotations

from typing import Final

from kwire.named_tuple import NamedTuple


class ProfileRow(NamedTuple):
    """One changed default: the option, its value in this profile, and why."""

    option: str
    value: str
    reason: str


# fmt: off
DEV: Final = (
    ProfileRow("broker.id", "1", "A single broker needs a number, not a generated one that differs by directory."),
    ProfileRow("log.dir", "~/.local/share/kwire", "/tmp is emptied at a reboot, and topics with it."),
    ProfileRow("socket.listen.backlog.size", "1024", "A thousand clients at once would wait for retries of their SYN."),
    ProfileRow("socket.receive.buffer.bytes", "-1", "The system's own sizing halves the cost of large requests."),
    ProfileRow("socket.send.buffer.bytes", "-1", "The same for large answers."),
    ProfileRow("log.segment.delete.delay.ms", "1000", "What a test deletes need not be written to the device first."),
    ProfileRow("group.initial.rebalance.delay.ms", "0", "Nobody waits three seconds for the first record of a test."),
    ProfileRow("group.consumer.assignment.interval.ms", "0", "A test's second consumer is not put off by a heartbeat."),
    ProfileRow("group.share.assignment.interval.ms", "0", "The same for share groups."),
    ProfileRow("group.streams.initial.rebalance.delay.ms", "0", "The same for Streams groups."),
    ProfileRow("kwire.lower.replication.factor", "true", "What is written for three brokers finds its topics on one."),
    ProfileRow("group.streams.assignment.interval.ms", "0", "A test's second instance is not put off by a heartbeat."),
    ProfileRow("offsets.topic.replication.factor", "1", "One broker cannot hold three replicas."),
    ProfileRow("transaction.state.log.replication.factor", "1", "One broker cannot hold three replicas."),
    ProfileRow("transaction.state.log.min.isr", "1", "With one replica there is one in sync."),
    ProfileRow("share.coordinator.state.topic.replication.factor", "1", "One broker cannot hold three replicas."),
    ProfileRow("share.coordinator.state.topic.min.isr", "1", "With one replica there is one in sync."),
)
# fmt: on

PROFILES: Final[dict[str, tuple[ProfileRow, ...]]] = {"dev": DEV, "kafka": ()}
