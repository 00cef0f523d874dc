"""Creating topics."""

from __future__ import annotations

from kwire.ids import ZERO_UUID
from kwire.wire.schema import Bool, Int8, Int16, Int32, String, Uuid, message, struct, wire


@struct
class CreatableReplicaAssignment:
    partition_index: Int32
    broker_ids: list[Int32]


@struct
class CreatableTopicConfig:
    name: String
    value: String | None


@struct
class CreatableTopic:
    name: String
    num_partitions: Int32
    replication_factor: Int16
    assignments: list[CreatableReplicaAssignment]
    configs: list[CreatableTopicConfig]


@message(key=19, valid="0-7", flexible="5+")
class CreateTopicsRequest:
    """Topics with partitions or explicit assignments, and configs. Defaults by -1 from v4 (KIP-464)."""

    topics: list[CreatableTopic]
    timeout_ms: Int32 = wire(default=60000)
    validate_only: Bool = wire("1+", default=False)


@struct
class CreatableTopicConfigs:
    name: String
    value: String | None
    read_only: Bool
    config_source: Int8 = wire(default=-1)
    is_sensitive: Bool


@struct
class CreatableTopicResult:
    name: String
    topic_id: Uuid = wire("7+", default=ZERO_UUID, ignorable=True)
    error_code: Int16
    error_message: String | None = wire("1+", default="", ignorable=True)
    topic_config_error_code: Int16 = wire("5+", tag=0, default=0, ignorable=True)
    num_partitions: Int32 = wire("5+", default=-1, ignorable=True)
    replication_factor: Int16 = wire("5+", default=-1, ignorable=True)
    configs: list[CreatableTopicConfigs] | None = wire("5+", factory=list, ignorable=True)


@message(key=19, valid="0-7", flexible="5+")
class CreateTopicsResponse:
    """An error per topic; the resulting configs from v5 (KIP-525), topic ids from v7 (KIP-516). Throttled from v6
    (KIP-599).
    """

    throttle_time_ms: Int32 = wire("2+", default=0, ignorable=True)
    topics: list[CreatableTopicResult]
