"""Acknowledging records of share partitions."""

from __future__ import annotations

from kwire.wire.schema import Bool, Int8, Int16, Int32, Int64, String, Uuid, message, struct, wire


@struct
class AcknowledgementBatch:
    first_offset: Int64
    last_offset: Int64
    acknowledge_types: list[Int8]


@struct
class AcknowledgePartition:
    partition_index: Int32
    acknowledgement_batches: list[AcknowledgementBatch]


@struct
class AcknowledgeTopic:
    topic_id: Uuid
    partitions: list[AcknowledgePartition]


@message(key=79, valid="0-2", flexible="0+")
class ShareAcknowledgeRequest:
    """What became of acquired records (KIP-932); lock renewal from v2 (KIP-1222)."""

    group_id: String | None = wire(default=None)
    member_id: String | None
    share_session_epoch: Int32
    is_renew_ack: Bool = wire("2+", default=False)
    topics: list[AcknowledgeTopic]


@struct
class LeaderIdAndEpoch:
    leader_id: Int32
    leader_epoch: Int32


@struct
class PartitionData:
    partition_index: Int32
    error_code: Int16
    error_message: String | None = wire(default=None)
    current_leader: LeaderIdAndEpoch


@struct
class ShareAcknowledgeTopicResponse:
    topic_id: Uuid
    partitions: list[PartitionData]


@struct
class NodeEndpoint:
    node_id: Int32
    host: String
    port: Int32
    rack: String | None = wire(default=None)


@message(key=79, valid="0-2", flexible="0+")
class ShareAcknowledgeResponse:
    """An error per partition."""

    throttle_time_ms: Int32
    error_code: Int16
    error_message: String | None = wire(default=None)
    acquisition_lock_timeout_ms: Int32 = wire("2+", default=0, ignorable=True)
    responses: list[ShareAcknowledgeTopicResponse]
    node_endpoints: list[NodeEndpoint]
