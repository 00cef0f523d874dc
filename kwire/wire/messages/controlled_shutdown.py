"""controlled_shutdown"""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, Int64, String, message, struct, wire


@message(key=7, valid="0-3", flexible="3+")
class ControlledShutdownRequest:
    """ControlledShutdownRequest"""

    broker_id: Int32
    broker_epoch: Int64 = wire("2+", default=-1, ignorable=True)


@struct
class RemainingPartition:
    topic_name: String
    partition_index: Int32


@message(key=7, valid="0-3", flexible="3+")
class ControlledShutdownResponse:
    """ControlledShutdownResponse"""

    error_code: Int16
    remaining_partitions: list[RemainingPartition]
