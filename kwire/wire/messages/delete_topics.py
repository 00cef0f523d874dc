"""Deleting topics."""

from __future__ import annotations

from kwire.ids import ZERO_UUID
from kwire.wire.schema import Int16, Int32, String, Uuid, message, struct, wire


@struct
class DeleteTopicState:
    name: String | None = wire(default=None)
    topic_id: Uuid


@message(key=20, valid="0-6", flexible="4+")
class DeleteTopicsRequest:
    """Topics to delete; by id from v6 (KIP-516)."""

    topics: list[DeleteTopicState] = wire("6+", factory=list)
    topic_names: list[String] = wire("0-5", factory=list, ignorable=True)
    timeout_ms: Int32


@struct
class DeletableTopicResult:
    name: String | None = wire(nullable="6+")
    topic_id: Uuid = wire("6+", default=ZERO_UUID, ignorable=True)
    error_code: Int16
    error_message: String | None = wire("5+", default=None, ignorable=True)


@message(key=20, valid="0-6", flexible="4+")
class DeleteTopicsResponse:
    """An error per topic, with a message from v5. Throttled from v5 (KIP-599)."""

    throttle_time_ms: Int32 = wire("1+", default=0, ignorable=True)
    responses: list[DeletableTopicResult]
