"""Compaction: when and how fast logs are cleaned."""

from __future__ import annotations

from kwire.config.option import (
    BOOLEAN,
    CLUSTER_WIDE,
    DOUBLE,
    INT,
    LONG,
    MEDIUM,
    READ_ONLY,
    Option,
    Range,
)

# fmt: off
OPTIONS: tuple[Option, ...] = (
    Option("log.cleaner.backoff.ms", LONG, "15000", Range(0), MEDIUM, CLUSTER_WIDE,
           "How long the cleaner sleeps when there is nothing to compact, in milliseconds."),
    Option("log.cleaner.dedupe.buffer.size", LONG, "134217728", None, MEDIUM, CLUSTER_WIDE,
           "The memory in bytes for the map of keys, over all cleaner threads."),
    Option("log.cleaner.delete.retention.ms", LONG, "86400000", Range(0), MEDIUM, CLUSTER_WIDE,
           "How long the marker of a deleted key stays in a compacted log, in milliseconds."),
    Option("log.cleaner.enable", BOOLEAN, "true", None, MEDIUM, READ_ONLY,
           "Runs compaction; without it, compacted topics grow for ever, the offsets of groups too."),
    Option("log.cleaner.io.buffer.load.factor", DOUBLE, "0.9", None, MEDIUM, CLUSTER_WIDE,
           "How full the map of keys may get, as a share of it."),
    Option("log.cleaner.io.buffer.size", INT, "524288", Range(0), MEDIUM, CLUSTER_WIDE,
           "The memory in bytes for reading and writing, over all cleaner threads."),
    Option("log.cleaner.io.max.bytes.per.second", DOUBLE, "1.7976931348623157E308", None, MEDIUM, CLUSTER_WIDE,
           "How many bytes a second compaction may read and write together."),
    Option("log.cleaner.max.compaction.lag.ms", LONG, "9223372036854775807", Range(1), MEDIUM, CLUSTER_WIDE,
           "After how many milliseconds a record must be open to compaction."),
    Option("log.cleaner.min.cleanable.ratio", DOUBLE, "0.5", Range(0, 1), MEDIUM, CLUSTER_WIDE,
           "The share of not yet compacted bytes at which a log is compacted."),
    Option("log.cleaner.min.compaction.lag.ms", LONG, "0", Range(0), MEDIUM, CLUSTER_WIDE,
           "How long a record stays untouched by compaction, in milliseconds."),
    Option("log.cleaner.threads", INT, "1", Range(0), MEDIUM, CLUSTER_WIDE,
           "How many threads compact logs."),
)
