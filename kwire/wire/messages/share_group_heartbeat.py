"""Belonging to a share group."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, String, Uuid, message, struct, wire


@message(key=76, valid="0-1", flexible="0+")
class ShareGroupHeartbeatRequest:
    """A member's subscription (KIP-932)."""

    group_id: String
    member_id: String
    member_epoch: Int32
    rack_id: String | None = wire(default=None)
    subscribed_topic_names: list[String] | None = wire(default=None)


@struct
class TopicPartitions:
    topic_id: Uuid
    partitions: list[Int32]


@struct
class Assignment:
    topic_partitions: list[TopicPartitions]


@message(key=76, valid="0-1", flexible="0+")
class ShareGroupHeartbeatResponse:
    """The member's epoch and its assignment where it changed."""

    throttle_time_ms: Int32
    error_code: Int16
    error_message: String | None = wire(default=None)
    member_id: String | None = wire(default=None)
    member_epoch: Int32
    heartbeat_interval_ms: Int32
    assignment: Assignment | None = wire(default=None)
