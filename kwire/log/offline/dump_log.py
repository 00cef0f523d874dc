"""The lines of a `.log` file, and of a KRaft `.checkpoint`, which is made of batches too.

One line per batch; under `deep` one per record behind it, beginning with `|`. What follows the last whole batch is
counted, not read. A batch whose records cannot be read has its line, and a complaint; Kafka's tool ends there with an
exception. Source of the text: Kafka's `DumpLogSegments`.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Any, NamedTuple

from kwire.errors import KafkaError
from kwire.log.offline.lines import Line, json_text, message, shown
from kwire.log.offline.record_decoders import Decoder
from kwire.log.offline.stored_file import BrokenFrameError, StoredBatch, StoredFile, walk
from kwire.wire.codec import decode
from kwire.wire.compression import NAMES
from kwire.wire.control import ABORT, COMMIT, CONTROL_TYPES, control_type, read_end_transaction_marker
from kwire.wire.crc import crc32, crc32c
from kwire.wire.json_form import to_json
from kwire.wire.legacy import message_batches
from kwire.wire.primitives import WireError
from kwire.wire.record_batch import (
    ATTRIBUTES_OFFSET,
    COMPRESSION_MASK,
    HEADER,
    MAGIC_OFFSET,
    RECORD_BATCH_OVERHEAD,
    TIMESTAMP_TYPE_MASK,
    BatchHeader,
)
from kwire.wire.records import Record, read_records

_LEGACY_HEAD = Struct(">qiIbbq")
_LEGACY_HEAD_V0 = Struct(">qiIbb")
_TYPE_NAMES = ("CreateTime", "LogAppendTime")
NO_LIMIT = (1 << 31) - 1

_QUORUM_RECORDS = {
    2: ("LeaderChange:", "LeaderChangeMessage"),
    3: ("SnapshotHeader", "SnapshotHeaderRecord"),
    4: ("SnapshotFooter", "SnapshotFooterRecord"),
    5: ("KRaftVersion", "KRaftVersionRecord"),
    6: ("KRaftVoters", "VotersRecord"),
}
"""Control records of KRaft's own log: what the text calls them, and the message in their value."""


class LogDump(NamedTuple):
    """How a log is shown: `max_bytes` of it; `decode` is None when keys and values stay hidden."""

    deep: bool = False
    decode: Decoder | None = None
    skip_record_metadata: bool = False
    max_bytes: int = NO_LIMIT


def log_lines(path: str, name: str, how: LogDump) -> Iterator[Line]:
    """The lines of the file; at the end, as complaints, where offsets do not follow one another. Raises OSError.

    `name` is how complaints call the file: Kafka's tool says its absolute path.
    """
    gaps: dict[int, int] = {}
    last_offset = -1
    with StoredFile(path) as file:
        end = 0
        try:
            for batch in walk(file, 0, how.max_bytes):
                fields = batch_fields(batch)
                yield Line("batch", fields)
                end = batch.position + len(batch.data)
                if not how.deep:
                    continue
                try:
                    records, crcs = _records(batch)
                except (WireError, KafkaError) as error:
                    yield message(
                        f"The records of the batch at position {batch.position} of {name} cannot be read: {error}",
                        "complaint",
                    )
                    continue
                for index, record in enumerate(records):
                    if record.offset != last_offset + 1:
                        gaps[last_offset] = record.offset
                    last_offset = record.offset
                    yield _record_line(record, fields, crcs[index] if crcs else None, how)
        except BrokenFrameError as error:
            yield message(f"{name}: {error}; nothing behind it can be read", "complaint")
        if file.size > end and how.max_bytes == NO_LIMIT:
            count = file.size - end
            base = path.rpartition("/")[2]
            yield message(
                f"Found {count} invalid bytes at the end of {base}", "invalid bytes", position=end, size=count
            )
    if gaps:
        yield message(f"Non-consecutive offsets in {name}", "complaint")
        for first in sorted(gaps):
            yield message(f"  {first} is followed by {gaps[first]}", "complaint")


def batch_fields(batch: StoredBatch) -> dict[str, Any]:
    """The fields of a batch's line."""
    if batch.magic < 2:
        return _legacy_fields(batch)
    if len(batch.data) < RECORD_BATCH_OVERHEAD:
        raise BrokenFrameError(batch.position, f"{len(batch.data)} bytes at position {batch.position} hold no header")
    header = BatchHeader._make(HEADER.unpack_from(batch.data))
    return {
        "baseOffset": header.base_offset,
        "lastOffset": header.last_offset,
        "count": header.record_count,
        "baseSequence": header.base_sequence,
        "lastSequence": header.last_sequence,
        "producerId": header.producer_id,
        "producerEpoch": header.producer_epoch,
        "partitionLeaderEpoch": header.partition_leader_epoch,
        "isTransactional": header.is_transactional,
        "isControl": header.is_control,
        "deleteHorizonMs": header.delete_horizon_ms,
        "position": batch.position,
        "timestampType": _TYPE_NAMES[header.timestamp_type],
        "timestamp": header.max_timestamp,
        "size": len(batch.data),
        "magic": header.magic,
        "compresscodec": _codec(header.compression),
        "crc": header.crc,
        "isvalid": crc32c(batch.data[ATTRIBUTES_OFFSET:]) == header.crc,
    }


def _legacy_fields(batch: StoredBatch) -> dict[str, Any]:
    timestamp = -1
    if batch.magic == 1 and len(batch.data) >= _LEGACY_HEAD.size:
        offset, _, crc, _, attributes, timestamp = _LEGACY_HEAD.unpack_from(batch.data)
    else:
        offset, _, crc, _, attributes = _LEGACY_HEAD_V0.unpack_from(batch.data)
    is_append_time = attributes & TIMESTAMP_TYPE_MASK != 0
    return {
        "offset": offset,
        "position": batch.position,
        "timestampType": _TYPE_NAMES[is_append_time] if batch.magic else "NoTimestampType",
        "timestamp": timestamp,
        "size": len(batch.data),
        "magic": batch.magic,
        "compresscodec": _codec(attributes & COMPRESSION_MASK),
        "crc": crc,
        "isvalid": crc32(batch.data[MAGIC_OFFSET:]) == crc,
    }


def _codec(number: int) -> str:
    return NAMES[number] if number < len(NAMES) else f"unknown({number})"


def _records(batch: StoredBatch) -> tuple[list[Record], list[int]]:
    """The records; with the checksum of each under magic 0 and 1. Raises WireError and KafkaError."""
    if batch.magic >= 2:
        return read_records(batch.data), []
    (outer,) = message_batches(batch.data)
    return outer.records, outer.record_crcs


def _record_line(record: Record, batch: dict[str, Any], crc: int | None, how: LogDump) -> Line:
    fields: dict[str, Any] = {}
    body = ""
    is_control = batch.get("isControl", False)
    if not how.skip_record_metadata:
        fields = {
            "offset": record.offset,
            "timestampType": batch["timestampType"],
            "timestamp": record.timestamp,
            "keySize": -1 if record.key is None else len(record.key),
            "valueSize": -1 if record.value is None else len(record.value),
        }
        if crc is None:
            fields["sequence"] = record.sequence
            fields["headerKeys"] = [_text(key) for key, _ in record.headers]
            fields["_headers"] = [
                [_text(key), None if value is None else shown(value)] for key, value in record.headers
            ]
        else:
            # A message whose checksum is wrong was not taken apart.
            fields["isValid"] = True
            fields["crc"] = crc
        if is_control:
            body = _control(record, fields)
    if how.decode is not None and not is_control:
        body += _content(record, how.decode, fields, "" if fields else "| ")
    elif not fields:
        return message("", "record")
    return Line("record", fields, None, body, "| " if "offset" in fields else "")


def _text(key: str | bytes) -> str:
    return key if isinstance(key, str) else key.decode("utf-8", "replace")


def _content(record: Record, decode_record: Decoder, fields: dict[str, Any], prefix: str) -> str:
    """Key and value as text; they go into `fields` too, for JSON only."""
    decoded = decode_record(record)
    body = ""
    for name, value, raw in (("key", decoded.key, record.key), ("payload", decoded.payload, record.value)):
        fields["_" + name] = shown(raw) if isinstance(value, str) and raw is not None and _is_lossy(value) else value
        if value is not None:
            body += f"{prefix or ' '}{name}: {value if isinstance(value, str) else json_text(value)}"
            prefix = ""
    return body


def _is_lossy(text: str) -> bool:
    return "\ufffd" in text


def _control(record: Record, fields: dict[str, Any]) -> str:
    """What a control record says, as text behind its metadata and as fields for JSON."""
    try:
        number = control_type(record)
        if number in (ABORT, COMMIT):
            marker = read_end_transaction_marker(record)
            assert marker is not None
            fields["_endTxnMarker"] = CONTROL_TYPES[number]
            fields["_coordinatorEpoch"] = marker.coordinator_epoch
            return f" endTxnMarker: {CONTROL_TYPES[number]} coordinatorEpoch: {marker.coordinator_epoch}"
        if number in _QUORUM_RECORDS and record.value is not None:
            from kwire.wire.messages import control_records

            title, name = _QUORUM_RECORDS[number]
            # The message begins with its own version; its other versions differ in nothing that moves this field.
            version = int.from_bytes(record.value[:2], signed=True)
            value = to_json(decode(getattr(control_records, name), version, record.value), version)
            fields["_" + title.rstrip(":")] = value
            return f" {title} {json_text(value)}"
    except WireError as error:
        fields["_error"] = str(error)
        return f" unreadable control record: {error}"
    fields["_controlType"] = number
    return f" controlType: UNKNOWN({number})"
