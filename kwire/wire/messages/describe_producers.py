"""Listing active producers."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, Int64, String, message, struct, wire


@struct
class TopicRequest:
    name: String
    partition_indexes: list[Int32]


@message(key=61, valid="0", flexible="0+")
class DescribeProducersRequest:
    """The partitions wanted (KIP-664)."""

    topics: list[TopicRequest]


@struct
class ProducerState:
    producer_id: Int64
    producer_epoch: Int32
    last_sequence: Int32 = wire(default=-1)
    last_timestamp: Int64 = wire(default=-1)
    coordinator_epoch: Int32
    current_txn_start_offset: Int64 = wire(default=-1)


@struct
class PartitionResponse:
    partition_index: Int32
    error_code: Int16
    error_message: String | None = wire(default=None)
    active_producers: list[ProducerState]


@struct
class TopicResponse:
    name: String
    partitions: list[PartitionResponse]


@message(key=61, valid="0", flexible="0+")
class DescribeProducersResponse:
    """The producer state of each partition."""

    throttle_time_ms: Int32
    topics: list[TopicResponse]
