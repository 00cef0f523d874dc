"""Reading committed offsets."""

from __future__ import annotations

from kwire.ids import ZERO_UUID
from kwire.wire.schema import Bool, Int16, Int32, Int64, String, Uuid, message, struct, wire


@struct
class OffsetFetchRequestTopic:
    name: String
    partition_indexes: list[Int32]


@struct
class OffsetFetchRequestTopics:
    name: String = wire("8-9", default="", ignorable=True)
    topic_id: Uuid = wire("10+", default=ZERO_UUID, ignorable=True)
    partition_indexes: list[Int32]


@struct
class OffsetFetchRequestGroup:
    group_id: String
    member_id: String | None = wire("9+", default=None, ignorable=True)
    member_epoch: Int32 = wire("9+", default=-1, ignorable=True)
    topics: list[OffsetFetchRequestTopics] | None


@message(key=9, valid="0-10", flexible="6+")
class OffsetFetchRequest:
    """The group and partitions to look up; all partitions for null from v2. Stable offsets only from v7 (KIP-447),
    many groups at once from v8 (KIP-709), member epochs v9 and topic ids v10 (KIP-848).
    """

    group_id: String = wire("0-7", default="")
    topics: list[OffsetFetchRequestTopic] | None = wire("0-7", nullable="2-7", factory=list)
    groups: list[OffsetFetchRequestGroup] = wire("8+", factory=list)
    require_stable: Bool = wire("7+", default=False)


@struct
class OffsetFetchResponsePartition:
    partition_index: Int32
    committed_offset: Int64
    committed_leader_epoch: Int32 = wire("5+", default=-1, ignorable=True)
    metadata: String | None
    error_code: Int16


@struct
class OffsetFetchResponseTopic:
    name: String
    partitions: list[OffsetFetchResponsePartition]


@struct
class OffsetFetchResponsePartitions:
    partition_index: Int32
    committed_offset: Int64
    committed_leader_epoch: Int32 = wire(default=-1)
    metadata: String | None
    error_code: Int16


@struct
class OffsetFetchResponseTopics:
    name: String = wire("8-9", default="", ignorable=True)
    topic_id: Uuid = wire("10+", default=ZERO_UUID, ignorable=True)
    partitions: list[OffsetFetchResponsePartitions]


@struct
class OffsetFetchResponseGroup:
    group_id: String
    topics: list[OffsetFetchResponseTopics]
    error_code: Int16 = wire(default=0)


@message(key=9, valid="0-10", flexible="6+")
class OffsetFetchResponse:
    """The committed offset of every partition asked for; by group from v8 (KIP-709)."""

    throttle_time_ms: Int32 = wire("3+", default=0, ignorable=True)
    topics: list[OffsetFetchResponseTopic] = wire("0-7", factory=list)
    error_code: Int16 = wire("2-7", default=0, ignorable=True)
    groups: list[OffsetFetchResponseGroup] = wire("8+", factory=list)
