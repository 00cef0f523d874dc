"""group_records"""

from __future__ import annotations

from kwire.ids import ZERO_UUID
from kwire.wire.schema import Bytes, Int32, Int64, String, Uuid, message, struct, wire


@message(key=2, valid="0", prefix="record_type")
class GroupMetadataKey:
    """GroupMetadataKey"""

    group: String


@struct
class MemberMetadata:
    member_id: String
    group_instance_id: String | None = wire("3+", default=None, ignorable=True)
    client_id: String
    client_host: String
    rebalance_timeout: Int32 = wire("1+", default=-1, ignorable=True)
    session_timeout: Int32
    subscription: Bytes
    assignment: Bytes


@message(valid="0-4", flexible="4+", prefix="version")
class GroupMetadataValue:
    """GroupMetadataValue"""

    protocol_type: String
    generation: Int32
    protocol: String | None
    leader: String | None
    current_state_timestamp: Int64 = wire("2+", default=-1, ignorable=True)
    members: list[MemberMetadata]


@message(key=0, valid="0", prefix="record_type")
class LegacyOffsetCommitKey:
    """LegacyOffsetCommitKey"""

    group: String
    topic: String
    partition: Int32


@message(valid="0", prefix="version")
class LegacyOffsetCommitValue:
    """LegacyOffsetCommitValue"""

    offset: Int64
    metadata: String
    commit_timestamp: Int64


@message(key=1, valid="0", prefix="record_type")
class OffsetCommitKey:
    """OffsetCommitKey"""

    group: String
    topic: String
    partition: Int32


@message(valid="0-4", flexible="4+", prefix="version")
class OffsetCommitValue:
    """OffsetCommitValue"""

    offset: Int64
    leader_epoch: Int32 = wire("3+", default=-1, ignorable=True)
    metadata: String
    commit_timestamp: Int64
    expire_timestamp: Int64 = wire("1", default=-1, ignorable=True)
    topic_id: Uuid = wire("4+", tag=0, default=ZERO_UUID, ignorable=True)
