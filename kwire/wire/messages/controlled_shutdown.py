"""A broker asking the controller to move its leaderships away."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, Int64, String, message, struct, wire


@message(key=7, valid="0-3", flexible="3+")
class ControlledShutdownRequest:
    """The broker that wants to stop. v0 comes with a request header of its own; broker epoch from v2 (KIP-380)."""

    broker_id: Int32
    broker_epoch: Int64 = wire("2+", default=-1, ignorable=True)


@struct
class RemainingPartition:
    topic_name: String
    partition_index: Int32


@message(key=7, valid="0-3", flexible="3+")
class ControlledShutdownResponse:
    """The partitions that the broker still leads."""

    error_code: Int16
    remaining_partitions: list[RemainingPartition]
