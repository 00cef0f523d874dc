"""Transactions: by a stock client where the broker has a coordinator, or written into the log by hand."""

from __future__ import annotations

import time
from pathlib import Path

from confluent_kafka import Producer

from kwire.config.broker_config import BrokerConfig
from kwire.config.topic_config import TopicConfig
from kwire.ids import TopicPartition
from kwire.log.config import LogConfig
from kwire.log.log import Log
from kwire.log.manager import LogManager
from kwire.wire.control import EndTransactionMarker, build_end_transaction_marker
from kwire.wire.records import build_batch

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
    """Ten transactions over both partitions, every third one aborted."""
    writer = producer(bootstrap, COMMITTER)
    for number in range(10):
        writer.begin_transaction()
        for i in range(12):
            writer.produce(TOPIC, b"transaction %d record %d" % (number, i), b"k%d" % i, partition=i % PARTITIONS)
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


def write_by_hand(data: Path) -> None:
    """The same into the log of a kwire that is down, without a coordinator: batches and markers of two producers."""
    settings = LogConfig.from_options(TopicConfig(BrokerConfig({}), {"internal.segment.bytes": "4096"}).get)
    identity = dict(line.split("=", 1) for line in (data / "meta.properties").read_text().splitlines() if "=" in line)
    manager = LogManager(
        [data],
        default_config=settings,
        config_for=lambda topic: settings,
        broker_id=int(identity["broker.id"]),
        cluster_id=identity["cluster.id"],
    )
    now_ms = int(time.time() * 1000)
    manager.open(now_ms)
    for partition in range(PARTITIONS):
        name = TopicPartition(TOPIC, partition)
        log = manager.get(name)
        if log is None:
            raise AssertionError(f"{name} has no log in {data}")
        log.load()
        log.config = settings
        _transactions_by_hand(log, now_ms)
    manager.close(clean=True)


def _transactions_by_hand(log: Log, now_ms: int) -> None:
    for number in range(10):
        for producer_id in (7001, 7002):
            records = [(now_ms, b"k%d" % i, b"transaction %d record %d" % (number, i), ()) for i in range(6)]
            batch = build_batch(
                records, producer_id=producer_id, producer_epoch=3, base_sequence=6 * number, transactional=True
            )
            log.append_as_leader(memoryview(batch), leader_epoch=0, now_ms=now_ms)
        for producer_id in (7001, 7002):
            committed = (number + producer_id) % 3 != 0
            marker = build_end_transaction_marker(
                EndTransactionMarker(committed, 5), producer_id=producer_id, producer_epoch=3, timestamp=now_ms
            )
            log.append_as_leader(memoryview(marker), leader_epoch=0, now_ms=now_ms, from_client=False)
    log.update_high_watermark(log.log_end_offset)
