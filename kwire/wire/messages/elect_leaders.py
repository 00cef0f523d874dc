"""Electing partition leaders."""

from __future__ import annotations

from kwire.wire.schema import Int8, Int16, Int32, String, message, struct, wire


@struct
class TopicPartitions:
    topic: String
    partitions: list[Int32]


@message(key=43, valid="0-2", flexible="2+")
class ElectLeadersRequest:
    """Partitions to elect for; all for null. Unclean elections from v1 (KIP-460)."""

    election_type: Int8 = wire("1+", default=0)
    topic_partitions: list[TopicPartitions] | None
    timeout_ms: Int32 = wire(default=60000)


@struct
class PartitionResult:
    partition_id: Int32
    error_code: Int16
    error_message: String | None


@struct
class ReplicaElectionResult:
    topic: String
    partition_result: list[PartitionResult]


@message(key=43, valid="0-2", flexible="2+")
class ElectLeadersResponse:
    """An error per partition."""

    throttle_time_ms: Int32
    error_code: Int16 = wire("1+", default=0)
    replica_election_results: list[ReplicaElectionResult]
