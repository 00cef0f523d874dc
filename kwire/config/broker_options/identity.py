"""Identity and directories: who this broker is and where its files are."""

from __future__ import annotations

from kwire.config.forms import PROTOCOL_VERSION
from kwire.config.option import (
    BOOLEAN,
    CLUSTER_WIDE,
    HIGH,
    INT,
    LIST,
    LONG,
    LOW,
    MEDIUM,
    PER_BROKER,
    READ_ONLY,
    STRING,
    Option,
    Range,
)

# fmt: off
OPTIONS: tuple[Option, ...] = (
    Option("broker.id", INT, "-1", None, HIGH, READ_ONLY,
           "The number of this broker in the cluster; -1 asks for a generated one that is then kept in "
           "meta.properties."),
    Option("broker.id.generation.enable", BOOLEAN, "true", None, MEDIUM, READ_ONLY,
           "Whether a broker without a number may be given one above `reserved.broker.max.id`.", only="3.9"),
    Option("broker.rack", STRING, None, None, MEDIUM, READ_ONLY,
           "The rack or zone of this broker, used to spread replicas and to let consumers read from a near one."),
    Option("config.providers", LIST, "", None, LOW, CLUSTER_WIDE,
           "Names of the providers that fill in `${provider:path:key}` in the values of other options.", only="4.3"),
    Option("cordoned.log.dirs", LIST, "", None, MEDIUM, PER_BROKER,
           "Data directories that get no new partitions, `*` for all of them.", only="4.3"),
    Option("inter.broker.protocol.version", STRING, "3.9-IV0", PROTOCOL_VERSION, MEDIUM, READ_ONLY,
           "The version of Kafka whose protocol the brokers speak among themselves.", only="3.9"),
    Option("log.dir", LIST, "/tmp/kafka-logs", None, HIGH, READ_ONLY,
           "The data directory that is used when `log.dirs` is not given."),
    Option("log.dir.failure.timeout.ms", LONG, "30000", Range(1), LOW, READ_ONLY,
           "How long a broker goes on, in milliseconds, when it cannot report a failed directory to the "
           "controller."),
    Option("log.dirs", LIST, None, None, HIGH, READ_ONLY,
           "The data directories; the partitions are spread over them."),
    Option("node.id", INT, "-1", None, HIGH, READ_ONLY,
           "The name that KRaft gives to `broker.id`; either of the two stands for the other."),
    Option("reserved.broker.max.id", INT, "1000", Range(0), MEDIUM, READ_ONLY,
           "The largest number that may be given by hand; generated ones start above it.", only="3.9"),
    Option("server.max.startup.time.ms", LONG, "9223372036854775807", Range(0), MEDIUM, READ_ONLY,
           "How long a start may take, in milliseconds, before it is given up.", internal=True),
    Option("unstable.api.versions.enable", BOOLEAN, "false", None, HIGH, READ_ONLY,
           "Offers versions of APIs that are still being developed.", internal=True),
    Option("unstable.feature.versions.enable", BOOLEAN, "false", None, HIGH, READ_ONLY,
           "Offers levels of features that are still being developed.", internal=True),
)
