"""Records of `__consumer_offsets` for classic groups and committed offsets."""

from __future__ import annotations

from kwire.ids import ZERO_UUID
from kwire.wire.schema import Bytes, Int32, Int64, String, Uuid, message, struct, wire


@message(key=2, valid="0", prefix="record_type")
class GroupMetadataKey:
    """Names a classic group."""

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
    """A classic group with its members. Rebalance timeout from v1, state timestamp from v2, static members from v3
    (KIP-345).
    """

    protocol_type: String
    generation: Int32
    protocol: String | None
    leader: String | None
    current_state_timestamp: Int64 = wire("2+", default=-1, ignorable=True)
    members: list[MemberMetadata]


@message(key=0, valid="0", prefix="record_type")
class LegacyOffsetCommitKey:
    """Names a group's offset as Kafka 0.8 wrote it; read, never written."""

    group: String
    topic: String
    partition: Int32


@message(valid="0", prefix="version")
class LegacyOffsetCommitValue:
    """A committed offset as Kafka 0.8 wrote it; read, never written."""

    offset: Int64
    metadata: String
    commit_timestamp: Int64


@message(key=1, valid="0", prefix="record_type")
class OffsetCommitKey:
    """Names a group's offset of one partition."""

    group: String
    topic: String
    partition: Int32


@message(valid="0-4", flexible="4+", prefix="version")
class OffsetCommitValue:
    """A committed offset. Expiry only in v1, leader epoch from v3 (KIP-320), topic id as a tagged field in v4
    (KIP-848).
    """

    offset: Int64
    leader_epoch: Int32 = wire("3+", default=-1, ignorable=True)
    metadata: String
    commit_timestamp: Int64
    expire_timestamp: Int64 = wire("1", default=-1, ignorable=True)
    topic_id: Uuid = wire("4+", tag=0, default=ZERO_UUID, ignorable=True)
