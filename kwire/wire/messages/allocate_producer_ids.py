"""A broker getting a block of producer ids."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, Int64, message, wire


@message(key=67, valid="0", flexible="0+")
class AllocateProducerIdsRequest:
    """The broker that asks (KIP-730)."""

    broker_id: Int32
    broker_epoch: Int64 = wire(default=-1)


@message(key=67, valid="0", flexible="0+")
class AllocateProducerIdsResponse:
    """The first id and the length of the block."""

    throttle_time_ms: Int32
    error_code: Int16
    producer_id_start: Int64
    producer_id_len: Int32
