"""Transactions by a stock client; what a broker says of a transactional id is in `served`."""

from __future__ import annotations

from confluent_kafka import Producer

from compat_tests.disk import compacted

TOPIC = "transactions"
PARTITIONS = 2
COMMITTER = "disk-committer"
OPEN = "disk-open"
TIMEOUT_S = 30.0


def producer(bootstrap: str, transactional_id: str) -> Producer:
    """A transactional producer that has its id; what it left open before is aborted."""
    made = Producer(
        {
            "bootstrap.servers": bootstrap,
            "transactional.id": transactional_id,
            "transaction.timeout.ms": 600_000,
            "compression.type": "lz4",
            "log_level": 2,
        }
    )
    made.init_transactions(TIMEOUT_S)
    return made


def commit_and_abort(bootstrap: str) -> None:
    """Ten transactions over both partitions and the compacted topic, every third one aborted."""
    writer = producer(bootstrap, COMMITTER)
    for number in range(10):
        writer.begin_transaction()
        for i in range(12):
            writer.produce(TOPIC, b"transaction %d record %d" % (number, i), b"k%d" % i, partition=i % PARTITIONS)
            writer.produce(compacted.TOPIC, b"of transaction %d" % number, b"k%d" % i, partition=0)
        writer.flush(TIMEOUT_S)
        if number % 3 == 2:
            writer.abort_transaction(TIMEOUT_S)
        else:
            writer.commit_transaction(TIMEOUT_S)


def commit_one(bootstrap: str, transactional_id: str) -> None:
    """Take the transactional id over, which aborts what it left open, and commit one transaction."""
    writer = producer(bootstrap, transactional_id)
    writer.begin_transaction()
    for partition in range(PARTITIONS):
        writer.produce(TOPIC, b"one more", b"one more", partition=partition)
    writer.commit_transaction(TIMEOUT_S)


def leave_open(bootstrap: str) -> Producer:
    """A transaction that is begun and not ended; the producer must be kept until the broker is gone."""
    writer = producer(bootstrap, OPEN)
    writer.begin_transaction()
    for i in range(8):
        writer.produce(TOPIC, b"open record %d" % i, b"open", partition=i % PARTITIONS)
    writer.flush(TIMEOUT_S)
    return writer
