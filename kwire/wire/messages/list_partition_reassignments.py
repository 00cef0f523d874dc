"""Listing moves in progress."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, String, message, struct, wire


@struct
class ListPartitionReassignmentsTopics:
    name: String
    partition_indexes: list[Int32]


@message(key=46, valid="0", flexible="0+")
class ListPartitionReassignmentsRequest:
    """The partitions wanted; all for null (KIP-455)."""

    timeout_ms: Int32 = wire(default=60000)
    topics: list[ListPartitionReassignmentsTopics] | None = wire(default=None)


@struct
class OngoingPartitionReassignment:
    partition_index: Int32
    replicas: list[Int32]
    adding_replicas: list[Int32]
    removing_replicas: list[Int32]


@struct
class OngoingTopicReassignment:
    name: String
    partitions: list[OngoingPartitionReassignment]


@message(key=46, valid="0", flexible="0+")
class ListPartitionReassignmentsResponse:
    """Current, added and removed replicas of each partition that is moving."""

    throttle_time_ms: Int32
    error_code: Int16
    error_message: String | None
    topics: list[OngoingTopicReassignment]
