"""Checks golden vectors of record batches, message sets and the small encodings (`records/*.jsonl`, `misc/*.jsonl`).

A vector's fields say what it is: a conversion down has `to_magic`, an append `next_offset`, a batch that must be
refused `error`; what remains is bytes and the batches that Kafka reads in them.
"""

from __future__ import annotations

from typing import Any

from kwire.errors import ErrorCode, KafkaError
from kwire.ids import uuid_from_text, uuid_text
from kwire.wire.compression import NAMES, CompressionError
from kwire.wire.control import CONTROL_TYPES, build_end_transaction_marker, control_type, read_end_transaction_marker
from kwire.wire.conversion import to_v2
from kwire.wire.crc import crc32, crc32c
from kwire.wire.down_conversion import down_converted
from kwire.wire.legacy import MessageBatch, build_message_set, frames, message_batches, read_message_set
from kwire.wire.primitives import WireError
from kwire.wire.record_batch import (
    LOG_APPEND_TIME,
    BatchHeader,
    CorruptRecordError,
    set_max_timestamp,
    set_offset_and_epoch,
    verify,
)
from kwire.wire.record_codec import long_varint, varint
from kwire.wire.records import InvalidRecordError, Record, check_records, read_records, rebuild_batch

Vector = dict[str, Any]

TIMESTAMP_TYPES = {-1: "NoTimestampType", 0: "CreateTime", 1: "LogAppendTime"}
OUR_ERRORS: dict[str, tuple[type[Exception], ...]] = {
    "CorruptRecordException": (CorruptRecordError,),
    "InvalidRecordException": (InvalidRecordError,),
    "KafkaException": (CompressionError,),
    # Java's complaint about an unknown codec, and about a buffer whose limit lies beyond its end.
    "IllegalArgumentException": (CompressionError, CorruptRecordError),
}
"""What we raise where Kafka's reader throws."""


def check(vector: Vector) -> str | None:
    """What is wrong with one vector, or None."""
    try:
        check_line(vector)
    except AssertionError as error:
        return f"{vector.get('case', '')}: {error}"
    return None


def check_line(vector: Vector, file_name: str = "") -> None:
    """Check one vector; AssertionError tells how we differ, NotImplementedError that its kind is of another layer."""
    if "to_magic" in vector:
        check_down_conversion(vector)
    elif "next_offset" in vector:
        check_append(vector)
    elif "badUnsignedVarint" in vector:
        check_bad_varint(vector)
    elif "error" in vector:
        check_refused(vector)
    elif "batches" in vector:
        if "from_hex" in vector:
            check_batches(vector["from_hex"], vector["from_batches"])
        check_batches(vector["hex"], vector["batches"])
    elif "crc32c" in vector:
        data = bytes.fromhex(vector["data"])
        same("crc32c", crc32c(data), vector["crc32c"])
        same("crc32", crc32(data), vector["crc32"])
    elif "varlong" in vector:
        check_varint(vector)
    elif "text" in vector and "hashCode" in vector:
        same("text", uuid_text(bytes.fromhex(vector["hex"])), vector["text"])
        same("bytes", uuid_from_text(vector["text"]).hex(), vector["hex"])
    elif "murmur2" in vector or "javaHash" in vector or "partition50" in vector or "snapshotFile" in vector:
        from tests.golden import misc_check

        misc_check.check(vector)
    else:
        raise NotImplementedError(f"{file_name or 'a vector'} of kind {sorted(vector)[:3]} is not of the wire layer")


def same(what: str, ours: object, theirs: object) -> None:
    assert ours == theirs, f"{what}: {ours!r}, Kafka has {theirs!r}"


# --- what Kafka reads


def read_all(buf: bytes) -> list[Vector]:
    """Every batch of the buffer in the vectors' form; raises WireError as the wire modules do."""
    return [
        read_v2(buf, pos) if magic == 2 else read_legacy(next(message_batches(buf, pos, pos + size)))
        for pos, size, magic in frames(buf)
    ]


def read_v2(buf: bytes, pos: int) -> Vector:
    header = verify(buf, pos)
    records = read_records(buf, pos)
    return {
        "position": pos,
        "sizeInBytes": header.size,
        "magic": header.magic,
        "crc": header.crc,
        "baseOffset": header.base_offset,
        "lastOffset": header.last_offset,
        "compression": NAMES[header.compression],
        "timestampType": TIMESTAMP_TYPES[header.timestamp_type],
        "maxTimestamp": header.max_timestamp,
        "attributes": header.attributes,
        "baseTimestamp": header.base_timestamp,
        "partitionLeaderEpoch": header.partition_leader_epoch,
        "lastOffsetDelta": header.last_offset_delta,
        "producerId": header.producer_id,
        "producerEpoch": header.producer_epoch,
        "baseSequence": header.base_sequence,
        "lastSequence": header.last_sequence,
        "isTransactional": header.is_transactional,
        "isControl": header.is_control,
        "deleteHorizonMs": header.delete_horizon_ms,
        "count": header.record_count,
        "records": [record_form(record, header.is_control) for record in records],
    }


def record_form(record: Record, is_control: bool) -> Vector:
    form = {
        "offset": record.offset,
        "timestamp": record.timestamp,
        "sequence": record.sequence,
        "key": hex_or_none(record.key),
        "value": hex_or_none(record.value),
        "headers": [[key.decode(), hex_or_none(value)] for key, value in record.headers],
    }
    if is_control:
        form["controlType"] = CONTROL_TYPES[control_type(record)]
    return form


def read_legacy(batch: MessageBatch) -> Vector:
    return {
        "position": batch.position,
        "sizeInBytes": batch.size,
        "magic": batch.magic,
        "crc": batch.crc,
        "baseOffset": batch.records[0].offset,
        "lastOffset": batch.last_offset,
        "compression": NAMES[batch.compression],
        "timestampType": TIMESTAMP_TYPES[batch.timestamp_type],
        "maxTimestamp": batch.max_timestamp,
        "attributes": batch.attributes,
        "records": [
            {"offset": r.offset, "timestamp": r.timestamp, "key": hex_or_none(r.key), "value": hex_or_none(r.value)}
            for r in batch.records
        ],
    }


def hex_or_none(value: bytes | None) -> str | None:
    return None if value is None else value.hex()


# --- the kinds


def check_batches(text: str, expected: list[Vector]) -> None:
    """Kafka's bytes are read as Kafka reads them, and written again: the same bytes, or records if compressed."""
    buf = bytes.fromhex(text)
    batches = read_all(buf)
    same_batches(batches, expected)
    for batch in batches:
        part = buf[batch["position"] : batch["position"] + batch["sizeInBytes"]]
        again = encode_v2(part) if batch["magic"] == 2 else encode_legacy(part)
        if again is None:
            continue
        if batch["compression"] == "none":
            same("encoded again", again.hex(), part.hex())
        else:
            unstable = {"position": 0, "crc": 0, "sizeInBytes": 0}
            same("compressed again", [read | unstable for read in read_all(again)], [batch | unstable])


def same_batches(ours: list[Vector], theirs: list[Vector]) -> None:
    same("number of batches", len(ours), len(theirs))
    for our, their in zip(ours, theirs, strict=True):
        for field in their | our:
            if field != "records":
                same(field, our.get(field), their.get(field))
        same("number of records", len(our["records"]), len(their["records"]))
        for index, (record, expected) in enumerate(zip(our["records"], their["records"], strict=True)):
            same(f"record {index}", record, expected)


def encode_v2(part: bytes) -> bytes | None:
    """The batch built anew of what was read; None under LogAppendTime, where the producer's deltas cannot be seen."""
    header = verify(part)
    records = read_records(part)
    if header.timestamp_type == LOG_APPEND_TIME and records:
        return None
    if header.is_control and header.delete_horizon_ms is None:
        marker = read_end_transaction_marker(records[0])
        if marker is not None:
            return bytes(
                build_end_transaction_marker(
                    marker,
                    producer_id=header.producer_id,
                    producer_epoch=header.producer_epoch,
                    timestamp=header.max_timestamp,
                    base_offset=header.base_offset,
                    partition_leader_epoch=header.partition_leader_epoch,
                )
            )
    return bytes(rebuild_batch(header, records))


def encode_legacy(part: bytes) -> bytes | None:
    """The message set built anew; None for mixed magics and offsets that no broker writes."""
    (batch,) = message_batches(part)
    if batch.records[-1].offset != batch.last_offset:
        return None
    again = build_message_set(
        batch.records,
        magic=batch.magic,
        compression=batch.compression,
        timestamp_type=max(batch.timestamp_type, 0),
    )
    (read,) = message_batches(again)
    comparable = read.records == batch.records and read.max_timestamp == batch.max_timestamp
    return again if comparable or not batch.compression else None


def check_refused(vector: Vector) -> None:
    expected = OUR_ERRORS[vector["error"]]
    try:
        read_all(bytes.fromhex(vector["hex"]))
    except WireError as error:
        if not isinstance(error, expected):
            raise AssertionError(f"{type(error).__name__} ({error}), Kafka throws {vector['error']}") from error
    else:
        raise AssertionError(f"was read, Kafka throws {vector['error']}")


def check_append(vector: Vector) -> None:
    """A produced batch becomes what the leader writes: in place where the format stays, converted where it does not."""
    buf = bytearray.fromhex(vector["from_hex"])
    same_batches(read_all(bytes(buf)), vector["from_batches"])
    append_time = vector["now"] if vector["timestamp_type"] == "LogAppendTime" else None
    target = NAMES.index(vector["target_compression"])
    source: BatchHeader | None = None
    if buf[16] == 2:
        source = verify(buf)
        summary = check_records(buf)
        same("offset of the max timestamp's record", summary.offset_of_max_timestamp >= 0, True)
        records = read_records(buf)
        max_timestamp = summary.max_timestamp
    else:
        records = read_message_set(buf)
        max_timestamp = max(record.timestamp for record in records)
    if source is not None and source.compression == target:
        set_offset_and_epoch(buf, 0, vector["next_offset"], vector["leader_epoch"])
        set_max_timestamp(buf, 0, int(append_time is not None), append_time or max_timestamp)
    else:
        buf = to_v2(
            records,
            base_offset=vector["next_offset"],
            partition_leader_epoch=vector["leader_epoch"],
            compression=target,
            append_time_ms=append_time,
            source=source,
        )
    same("max timestamp", append_time or max_timestamp, vector["max_timestamp"])
    ours = read_all(bytes(buf))
    if target == 0 or (source is not None and source.compression == target):
        same("bytes", buf.hex(), vector["hex"])
    else:
        unstable = {"crc": 0, "sizeInBytes": 0}
        same_batches([read | unstable for read in ours], [read | unstable for read in vector["batches"]])
    same_batches(read_all(bytes.fromhex(vector["hex"])), vector["batches"])


def down(buf: bytes, *, to_magic: int, first_offset: int) -> bytes:
    return b"".join(down_converted(buf, to_magic=to_magic, first_offset=first_offset))


def check_down_conversion(vector: Vector) -> None:
    buf = bytes.fromhex(vector["from_hex"])
    same_batches(read_all(buf), vector["from_batches"])
    if "error" in vector:
        same("error", vector["error"], "UnsupportedCompressionTypeException")
        try:
            down(buf, to_magic=vector["to_magic"], first_offset=vector["first_offset"])
        except KafkaError as error:
            same("code", error.code, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE)
            return
        raise AssertionError("was converted, Kafka refuses")
    ours = down(buf, to_magic=vector["to_magic"], first_offset=vector["first_offset"])
    theirs = bytes.fromhex(vector["hex"])
    same_batches(read_all(theirs), vector["batches"])
    if all(batch["compression"] == "none" for batch in vector["batches"]):
        same("bytes", ours.hex(), theirs.hex())
    else:
        unstable = {"position": 0, "crc": 0, "sizeInBytes": 0}
        same_batches([read | unstable for read in read_all(ours)], [read | unstable for read in vector["batches"]])


def check_varint(vector: Vector) -> None:
    """Zigzag forms of 32 and 64 bits; the unsigned form is the same reader without zigzag."""
    value = vector["value"]
    for name, limit in (("varint", 5), ("varlong", 10), ("unsignedVarint", 5)):
        text = vector.get(name)
        if text is None:
            continue
        data = bytes.fromhex(text)
        raw, end = long_varint(data, 0, limit)
        same(f"{name}: end", end, len(data))
        if name == "unsignedVarint":
            same(name, raw, value & 0xFFFFFFFF)
        else:
            same(name, (raw >> 1) ^ -(raw & 1), value)
            same(f"{name} written", varint(value).hex(), text)


def check_bad_varint(vector: Vector) -> None:
    errors = {"BufferUnderflowException": IndexError, "IllegalArgumentException": OverflowError}
    try:
        raw, _ = long_varint(bytes.fromhex(vector["badUnsignedVarint"]), 0, 5)
    except (IndexError, OverflowError) as error:
        same("error", type(error), errors[vector["error"]])
    else:
        raise AssertionError(f"was read as {raw}, Kafka throws {vector['error']}")
