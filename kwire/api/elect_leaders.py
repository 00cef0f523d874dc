"""ElectLeaders (key 43), versions 0-2: let the preferred replica lead, or, from v1, any left (KIP-183, KIP-460).

With one broker there is nobody else to elect: a partition has the leader that it can have, and the answer says so.
"""

from __future__ import annotations

from kwire.api.context import RequestContext
from kwire.cluster.metadata_cache import MetadataCache, PartitionImage
from kwire.errors import ErrorCode
from kwire.wire.messages.elect_leaders import (
    ElectLeadersRequest,
    ElectLeadersResponse,
    PartitionResult,
    ReplicaElectionResult,
    TopicPartitions,
)

PREFERRED = 0
UNCLEAN = 1


def handle(request: ElectLeadersRequest, context: RequestContext) -> ElectLeadersResponse:
    """One result per partition asked for; of all partitions (null), those that cannot have the leader they should."""
    cache = context.services.metadata
    everything = request.topic_partitions is None
    asked = request.topic_partitions
    if asked is None:
        asked = [
            TopicPartitions(topic=name, partitions=list(range(len(image.partitions))))
            for name, image in cache.topics.items()
        ]
    known_type = request.election_type in (PREFERRED, UNCLEAN)
    results = []
    for topic in asked:
        elected = [_elect(cache, topic.topic, index, request.election_type) for index in topic.partitions]
        if everything and known_type:
            elected = [result for result in elected if result.error_code != ErrorCode.ELECTION_NOT_NEEDED]
        results.append(ReplicaElectionResult(topic=topic.topic, partition_result=elected))
    return ElectLeadersResponse(
        throttle_time_ms=0,
        error_code=ErrorCode.NONE if known_type else ErrorCode.INVALID_REQUEST,
        replica_election_results=results,
    )


def _elect(cache: MetadataCache, topic: str, index: int, election_type: int) -> PartitionResult:
    image = cache.topics.get(topic)
    if election_type not in (PREFERRED, UNCLEAN):
        code, message = ErrorCode.INVALID_REQUEST, f"There is no election of type {election_type}."
    elif image is None:
        code, message = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"There is no topic '{topic}'."
    elif not 0 <= index < len(image.partitions):
        code, message = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"There is no partition {topic}-{index}."
    else:
        code, message = _outcome(image.partitions[index], election_type)
    return PartitionResult(partition_id=index, error_code=code, error_message=message)


def _outcome(partition: PartitionImage, election_type: int) -> tuple[ErrorCode, str]:
    if partition.leader == partition.replicas[0] or (election_type == UNCLEAN and partition.leader >= 0):
        return ErrorCode.ELECTION_NOT_NEEDED, "The leader is the one that was asked for."
    if election_type == PREFERRED:
        return ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE, f"Broker {partition.replicas[0]} is not there to lead."
    return ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE, "None of the replicas is there to lead."


def error_response(request: ElectLeadersRequest, code: ErrorCode, message: str | None) -> ElectLeadersResponse:
    """No results."""
    return ElectLeadersResponse(throttle_time_ms=0, error_code=code, replica_election_results=[])
