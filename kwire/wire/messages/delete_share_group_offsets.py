"""Deleting the offsets of share groups."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, String, Uuid, message, struct, wire


@struct
class DeleteShareGroupOffsetsRequestTopic:
    topic_name: String


@message(key=92, valid="0", flexible="0+")
class DeleteShareGroupOffsetsRequest:
    """Topics that a group should forget (KIP-932)."""

    group_id: String
    topics: list[DeleteShareGroupOffsetsRequestTopic]


@struct
class DeleteShareGroupOffsetsResponseTopic:
    topic_name: String
    topic_id: Uuid
    error_code: Int16
    error_message: String | None = wire(default=None)


@message(key=92, valid="0", flexible="0+")
class DeleteShareGroupOffsetsResponse:
    """An error per topic."""

    throttle_time_ms: Int32
    error_code: Int16
    error_message: String | None = wire(default=None)
    responses: list[DeleteShareGroupOffsetsResponseTopic]
