"""The producer state file beside a partition's segments."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, Int64, UInt32, message, struct


@struct
class ProducerEntry:
    producer_id: Int64
    epoch: Int16
    last_sequence: Int32
    last_offset: Int64
    offset_delta: Int32
    timestamp: Int64
    coordinator_epoch: Int32
    current_txn_first_offset: Int64


@message(valid="1", prefix="version")
class ProducerSnapshot:
    """The file `<offset>.snapshot`: every producer that a partition knows. The CRC-32C covers what follows it."""

    crc: UInt32
    producer_entries: list[ProducerEntry]
