"""Adding partitions to topics."""

from __future__ import annotations

from kwire.wire.schema import Bool, Int16, Int32, String, message, struct, wire


@struct
class CreatePartitionsAssignment:
    broker_ids: list[Int32]


@struct
class CreatePartitionsTopic:
    name: String
    count: Int32
    assignments: list[CreatePartitionsAssignment] | None


@message(key=37, valid="0-3", flexible="2+")
class CreatePartitionsRequest:
    """The new partition count of each topic, with assignments if wanted. Throttled from v2 (KIP-599)."""

    topics: list[CreatePartitionsTopic]
    timeout_ms: Int32
    validate_only: Bool


@struct
class CreatePartitionsTopicResult:
    name: String
    error_code: Int16
    error_message: String | None = wire(default=None)


@message(key=37, valid="0-3", flexible="2+")
class CreatePartitionsResponse:
    """An error per topic."""

    throttle_time_ms: Int32
    results: list[CreatePartitionsTopicResult]
