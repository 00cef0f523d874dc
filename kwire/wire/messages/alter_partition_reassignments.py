"""Moving replicas between brokers."""

from __future__ import annotations

from kwire.wire.schema import Bool, Int16, Int32, String, message, struct, wire


@struct
class ReassignablePartition:
    partition_index: Int32
    replicas: list[Int32] | None = wire(default=None)


@struct
class ReassignableTopic:
    name: String
    partitions: list[ReassignablePartition]


@message(key=45, valid="0-1", flexible="0+")
class AlterPartitionReassignmentsRequest:
    """The target replicas of each partition; null cancels (KIP-455). Whether the replication factor may change from
    v1 (KIP-860).
    """

    timeout_ms: Int32 = wire(default=60000)
    allow_replication_factor_change: Bool = wire("1+", default=True)
    topics: list[ReassignableTopic]


@struct
class ReassignablePartitionResponse:
    partition_index: Int32
    error_code: Int16
    error_message: String | None


@struct
class ReassignableTopicResponse:
    name: String
    partitions: list[ReassignablePartitionResponse]


@message(key=45, valid="0-1", flexible="0+")
class AlterPartitionReassignmentsResponse:
    """An error per partition."""

    throttle_time_ms: Int32
    allow_replication_factor_change: Bool = wire("1+", default=True, ignorable=True)
    error_code: Int16
    error_message: String | None
    responses: list[ReassignableTopicResponse]
