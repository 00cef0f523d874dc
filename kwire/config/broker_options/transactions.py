"""Transactions and idempotent producers."""

from __future__ import annotations

from kwire.config.option import (
    BOOLEAN,
    CLUSTER_WIDE,
    HIGH,
    INT,
    LOW,
    READ_ONLY,
    SHORT,
    Option,
    Range,
)

# fmt: off
OPTIONS: tuple[Option, ...] = (
    Option("add.partitions.to.txn.retry.backoff.max.ms", INT, "100", Range(0), HIGH, READ_ONLY,
           "How long those tries go on in all, in milliseconds.", only="4.3"),
    Option("add.partitions.to.txn.retry.backoff.ms", INT, "20", Range(1), HIGH, READ_ONLY,
           "How long to wait before a partition is verified once more for its transaction, in milliseconds.",
           only="4.3"),
    Option("producer.id.expiration.check.interval.ms", INT, "600000", Range(1), LOW, READ_ONLY,
           "How often producer ids are looked through for expired ones, in milliseconds.", internal=True),
    Option("producer.id.expiration.ms", INT, "86400000", Range(1), LOW, CLUSTER_WIDE,
           "After how many milliseconds without records a producer id is forgotten by a partition."),
    Option("transaction.abort.timed.out.transaction.cleanup.interval.ms", INT, "10000", Range(1), LOW, READ_ONLY,
           "How often transactions are looked through for overdue ones to abort, in milliseconds."),
    Option("transaction.max.timeout.ms", INT, "900000", Range(1), HIGH, READ_ONLY,
           "The longest transaction timeout a producer may ask for, in milliseconds."),
    Option("transaction.partition.verification.enable", BOOLEAN, "true", None, LOW, CLUSTER_WIDE,
           "Checks at each first write that the partition was added to the producer's transaction (KIP-890)."),
    Option("transaction.remove.expired.transaction.cleanup.interval.ms", INT, "3600000", Range(1), LOW, READ_ONLY,
           "How often transactional ids are looked through for expired ones, in milliseconds."),
    Option("transaction.state.log.load.buffer.size", INT, "5242880", Range(1), HIGH, READ_ONLY,
           "How many bytes are read at a time when a coordinator loads its transactions."),
    Option("transaction.state.log.min.isr", INT, "2", Range(1), HIGH, READ_ONLY,
           "How many replicas of the transaction topic must be in sync for a write."),
    Option("transaction.state.log.num.partitions", INT, "50", Range(1), HIGH, READ_ONLY,
           "The partitions of the transaction topic; it must not change once the topic exists."),
    Option("transaction.state.log.replication.factor", SHORT, "3", Range(1), HIGH, READ_ONLY,
           "The replicas of the transaction topic."),
    Option("transaction.state.log.segment.bytes", INT, "104857600", Range(1), HIGH, READ_ONLY,
           "The size of a segment of the transaction topic in bytes."),
    Option("transaction.two.phase.commit.enable", BOOLEAN, "false", None, LOW, READ_ONLY,
           "Lets producers take part in a two-phase commit that another system decides (KIP-939).", only="4.3"),
    Option("transactional.id.expiration.ms", INT, "604800000", Range(1), HIGH, READ_ONLY,
           "After how many milliseconds without use a transactional id is forgotten."),
)
