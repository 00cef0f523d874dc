"""Committing consumer offsets."""

from __future__ import annotations

from kwire.ids import ZERO_UUID
from kwire.wire.schema import Int16, Int32, Int64, String, Uuid, message, struct, wire


@struct
class OffsetCommitRequestPartition:
    partition_index: Int32
    committed_offset: Int64
    committed_leader_epoch: Int32 = wire("6+", default=-1, ignorable=True)
    commit_timestamp: Int64 = wire("1", default=-1)
    committed_metadata: String | None


@struct
class OffsetCommitRequestTopic:
    name: String = wire("0-9", default="", ignorable=True)
    topic_id: Uuid = wire("10+", default=ZERO_UUID, ignorable=True)
    partitions: list[OffsetCommitRequestPartition]


@message(key=8, valid="0-10", flexible="8+")
class OffsetCommitRequest:
    """Offsets to store for a group. Generation and member from v1, retention time v2 to v4 (KIP-211), leader epochs
    from v6 (KIP-320), static members from v7 (KIP-345), member epochs v9 (KIP-848), topic ids v10 (KIP-848).
    """

    group_id: String
    generation_id_or_member_epoch: Int32 = wire("1+", default=-1, ignorable=True)
    member_id: String = wire("1+", default="", ignorable=True)
    group_instance_id: String | None = wire("7+", default=None)
    retention_time_ms: Int64 = wire("2-4", default=-1, ignorable=True)
    topics: list[OffsetCommitRequestTopic]


@struct
class OffsetCommitResponsePartition:
    partition_index: Int32
    error_code: Int16


@struct
class OffsetCommitResponseTopic:
    name: String = wire("0-9", default="", ignorable=True)
    topic_id: Uuid = wire("10+", default=ZERO_UUID, ignorable=True)
    partitions: list[OffsetCommitResponsePartition]


@message(key=8, valid="0-10", flexible="8+")
class OffsetCommitResponse:
    """An error per partition."""

    throttle_time_ms: Int32 = wire("3+", default=0, ignorable=True)
    topics: list[OffsetCommitResponseTopic]
