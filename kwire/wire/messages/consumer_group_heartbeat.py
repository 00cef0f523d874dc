"""Belonging to a consumer group of the new protocol."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, String, Uuid, message, struct, wire


@struct
class TopicPartitions:
    topic_id: Uuid
    partitions: list[Int32]


@message(key=68, valid="0-1", flexible="0+")
class ConsumerGroupHeartbeatRequest:
    """A member's subscription and current assignment (KIP-848). Regular expressions and client-made member ids from
    v1 (KIP-1082).
    """

    group_id: String
    member_id: String
    member_epoch: Int32
    instance_id: String | None = wire(default=None)
    rack_id: String | None = wire(default=None)
    rebalance_timeout_ms: Int32 = wire(default=-1)
    subscribed_topic_names: list[String] | None = wire(default=None)
    subscribed_topic_regex: String | None = wire("1+", default=None)
    server_assignor: String | None = wire(default=None)
    topic_partitions: list[TopicPartitions] | None = wire(default=None)


@struct
class ConsumerGroupHeartbeatResponseTopicPartitions:
    topic_id: Uuid
    partitions: list[Int32]


@struct
class Assignment:
    topic_partitions: list[ConsumerGroupHeartbeatResponseTopicPartitions]


@message(key=68, valid="0-1", flexible="0+")
class ConsumerGroupHeartbeatResponse:
    """The member's epoch and its assignment where it changed."""

    throttle_time_ms: Int32
    error_code: Int16
    error_message: String | None = wire(default=None)
    member_id: String | None = wire(default=None)
    member_epoch: Int32
    heartbeat_interval_ms: Int32
    assignment: Assignment | None = wire(default=None)
