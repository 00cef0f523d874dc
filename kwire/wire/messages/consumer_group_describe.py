"""Describing consumer groups of the new protocol."""

from __future__ import annotations

from kwire.wire.schema import Bool, Int8, Int16, Int32, String, Uuid, message, struct, wire


@message(key=69, valid="0-1", flexible="0+")
class ConsumerGroupDescribeRequest:
    """The groups to describe (KIP-848)."""

    group_ids: list[String]
    include_authorized_operations: Bool


@struct
class TopicPartitions:
    topic_id: Uuid
    topic_name: String
    partitions: list[Int32]


@struct
class Assignment:
    topic_partitions: list[TopicPartitions]


@struct
class Member:
    member_id: String
    instance_id: String | None = wire(default=None)
    rack_id: String | None = wire(default=None)
    member_epoch: Int32
    client_id: String
    client_host: String
    subscribed_topic_names: list[String]
    subscribed_topic_regex: String | None = wire(default=None)
    assignment: Assignment
    target_assignment: Assignment
    member_type: Int8 = wire("1+", default=-1, ignorable=True)


@struct
class DescribedGroup:
    error_code: Int16
    error_message: String | None = wire(default=None)
    group_id: String
    group_state: String
    group_epoch: Int32
    assignment_epoch: Int32
    assignor_name: String
    members: list[Member]
    authorized_operations: Int32 = wire(default=-2147483648)


@message(key=69, valid="0-1", flexible="0+")
class ConsumerGroupDescribeResponse:
    """State, epochs and members of each group. Member types from v1 (KIP-1099)."""

    throttle_time_ms: Int32
    groups: list[DescribedGroup]
