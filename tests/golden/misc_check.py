"""Checks golden vectors of what is computed rather than encoded: partitions of keys and ids, and producer snapshots."""

from __future__ import annotations

from typing import Any

from kwire.cli.partitioner import murmur2, partition_for_key
from kwire.coord.partitioning import java_hash, partition_for
from kwire.log.producer_snapshot import decode_snapshot, encode_snapshot

Vector = dict[str, Any]


def check(vector: Vector) -> None:
    """AssertionError tells how we differ."""
    if "murmur2" in vector:
        check_key(vector)
    elif "snapshotFile" in vector:
        check_snapshot(vector)
    elif "partition50" in vector:
        same("key", f"{vector['group']}:{vector['topicId']}:{vector['partitionIndex']}", vector["key"])
        same("partition of 50", partition_for(vector["key"], 50), vector["partition50"])
    else:
        same("hash", java_hash(vector["id"]), vector["javaHash"])
        for count, partition in vector["partition"].items():
            same(f"partition of {count}", partition_for(vector["id"], int(count)), partition)


def same(what: str, ours: object, theirs: object) -> None:
    assert ours == theirs, f"{what}: {ours!r}, Kafka has {theirs!r}"


def check_key(vector: Vector) -> None:
    key = bytes.fromhex(vector["key"])
    ours = murmur2(key)
    same("murmur2", ours - (1 << 32) if ours >> 31 else ours, vector["murmur2"])
    for count, partition in vector["partition"].items():
        same(f"partition of {count}", partition_for_key(key, int(count)), partition)


def check_snapshot(vector: Vector) -> None:
    data = bytes.fromhex(vector["hex"])
    entries = decode_snapshot(data)
    same("written again", encode_snapshot({entry.producer_id: entry for entry in entries}).hex(), vector["hex"])
    same("number of entries", len(entries), len(vector["entries"]))
    # The vectors name them by id; a file has them in whatever order a map of Java's has.
    entries.sort(key=lambda entry: entry.producer_id)
    for entry, expected in zip(entries, vector["entries"], strict=True):
        last = entry.batches[-1] if entry.batches else None
        ours = {
            "producerId": entry.producer_id,
            "epoch": entry.epoch,
            "lastSequence": last.last_sequence if last else -1,
            "lastOffset": last.last_offset if last else -1,
            "offsetDelta": last.offset_delta if last else 0,
            "timestamp": entry.last_timestamp,
            "coordinatorEpoch": entry.coordinator_epoch,
            "currentTxnFirstOffset": -1 if entry.txn_first_offset is None else entry.txn_first_offset,
        }
        same("entry", ours, expected)
