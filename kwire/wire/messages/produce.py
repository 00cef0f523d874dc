"""Writing record batches to partitions."""

from __future__ import annotations

from kwire.ids import ZERO_UUID
from kwire.wire.schema import Int16, Int32, Int64, Records, String, Uuid, message, struct, wire


@struct
class PartitionProduceData:
    index: Int32
    records: Records | None


@struct
class TopicProduceData:
    name: String = wire("0-12", default="", ignorable=True)
    topic_id: Uuid = wire("13+", default=ZERO_UUID, ignorable=True)
    partition_data: list[PartitionProduceData]


@message(key=0, valid="0-13", flexible="9+")
class ProduceRequest:
    """Record batches to append, by topic and partition. Transactional id from v3 (KIP-98), topic ids instead of names
    from v13 (KIP-516); zstd needs v7 (KIP-110), implicit partition enrolment in transactions v12 (KIP-890).
    """

    transactional_id: String | None = wire("3+", default=None)
    acks: Int16
    timeout_ms: Int32
    topic_data: list[TopicProduceData]


@struct
class BatchIndexAndErrorMessage:
    batch_index: Int32
    batch_index_error_message: String | None = wire(default=None)


@struct
class LeaderIdAndEpoch:
    leader_id: Int32 = wire(default=-1)
    leader_epoch: Int32 = wire(default=-1)


@struct
class PartitionProduceResponse:
    index: Int32
    error_code: Int16
    base_offset: Int64
    log_append_time_ms: Int64 = wire("2+", default=-1, ignorable=True)
    log_start_offset: Int64 = wire("5+", default=-1, ignorable=True)
    record_errors: list[BatchIndexAndErrorMessage] = wire("8+", factory=list, ignorable=True)
    error_message: String | None = wire("8+", default=None, ignorable=True)
    current_leader: LeaderIdAndEpoch = wire("10+", tag=0, factory=LeaderIdAndEpoch)


@struct
class TopicProduceResponse:
    name: String = wire("0-12", default="", ignorable=True)
    topic_id: Uuid = wire("13+", default=ZERO_UUID, ignorable=True)
    partition_responses: list[PartitionProduceResponse]


@struct
class NodeEndpoint:
    node_id: Int32
    host: String
    port: Int32
    rack: String | None = wire(default=None)


@message(key=0, valid="0-13", flexible="9+")
class ProduceResponse:
    """Where each batch landed, or why not. Log start offset from v5, errors per record from v8 (KIP-467), the current
    leader from v10 (KIP-951).
    """

    responses: list[TopicProduceResponse]
    throttle_time_ms: Int32 = wire("1+", default=0, ignorable=True)
    node_endpoints: list[NodeEndpoint] = wire("10+", tag=0, factory=list)
