"""The lines of the small files: producer snapshots, leader epochs, offset checkpoints, identities.

Kafka's tool shows the snapshots only and passes the others over as unknown; here each line of them is one line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from kwire.ids import uuid_text
from kwire.log import checkpoints, leader_epochs
from kwire.log.offline.lines import Line, message
from kwire.log.offline.stored_file import read_file
from kwire.log.producer_snapshot import CorruptSnapshotError, decode_snapshot

OFFSET_CHECKPOINTS = (
    checkpoints.RECOVERY_POINTS,
    checkpoints.HIGH_WATERMARKS,
    checkpoints.LOG_STARTS,
    checkpoints.CLEANER_POINTS,
)
SMALL_FILES = (
    *OFFSET_CHECKPOINTS,
    leader_epochs.FILE_NAME,
    checkpoints.PARTITION_METADATA,
    checkpoints.META_PROPERTIES,
    checkpoints.CLEAN_SHUTDOWN,
)


def snapshot_lines(path: str) -> Iterator[Line]:
    """The lines of a producer snapshot, in the text of Kafka 4.3.1. Raises OSError."""
    try:
        producers = decode_snapshot(read_file(path))
    except CorruptSnapshotError as error:
        yield message(f"Snapshot {path} is corrupt: {error}", "complaint")
        return
    for producer in producers:
        fields: dict[str, object] = {
            "producerId": producer.producer_id,
            "producerEpoch": producer.epoch,
            "coordinatorEpoch": producer.coordinator_epoch,
            "currentTxnFirstOffset": producer.txn_first_offset,
            "lastTimestamp": producer.last_timestamp,
        }
        if producer.batches:
            batch = producer.batches[-1]
            fields["firstSequence"] = batch.first_sequence
            fields["lastSequence"] = batch.last_sequence
            fields["lastOffset"] = batch.last_offset
            fields["offsetDelta"] = batch.offset_delta
            fields["timestamp"] = batch.timestamp
        yield Line("producer", fields)


def small_file_lines(path: str) -> Iterator[Line]:
    """The lines of one of `SMALL_FILES`. Raises OSError."""
    name, data = os.path.basename(path), read_file(path)
    if name in OFFSET_CHECKPOINTS:
        try:
            for (topic, partition), offset in checkpoints.parse_offsets(data).items():
                yield Line("checkpoint entry", {"topic": topic, "partition": partition, "offset": offset})
        except checkpoints.CorruptCheckpointError as error:
            yield message(f"{path} is corrupt: {error}", "complaint")
    elif name == leader_epochs.FILE_NAME:
        entries = leader_epochs.parse(data)
        if not entries and data.split() != [b"0", b"0"]:
            yield message(f"{path} is corrupt: not version, count and so many lines of two numbers", "complaint")
        for epoch, start in entries:
            yield Line("leader epoch", {"epoch": epoch, "startOffset": start})
    elif name == checkpoints.PARTITION_METADATA:
        yield Line("partition metadata", {"topicId": uuid_text(checkpoints.parse_partition_metadata(data))})
    elif name == checkpoints.META_PROPERTIES:
        for key, value in checkpoints.parse_meta_properties(data).items():
            yield Line("property", {key: value})
    else:
        yield message(data.decode("utf-8", "replace"), "clean shutdown", content=data.decode("utf-8", "replace"))
