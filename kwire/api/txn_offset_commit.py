"""TxnOffsetCommit (key 28), versions 0-5: a group's offsets, within a producer's transaction (KIP-98).

v2 leader epochs (KIP-320); v3 member, generation and instance are checked (KIP-447); v4 TRANSACTION_ABORTABLE; v5 adds
the group's partition to the transaction by itself (KIP-890), as AddOffsetsToTxn does for older clients.
"""

from __future__ import annotations

from collections.abc import Coroutine

from kwire.api.context import RequestContext
from kwire.api.transaction_admission import Verdicts, admit, takes_part, then
from kwire.coord.answers import Answer
from kwire.coord.coordinator_log import APPEND_ERRORS
from kwire.coord.group.coordinator import GROUP_METADATA_TOPIC, txn_commit_refused
from kwire.coord.txn.beginning import ProducerIdentity
from kwire.errors import ErrorCode
from kwire.ids import TopicPartition
from kwire.wire.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestTopic,
    TxnOffsetCommitResponse,
)

FIRST_VERSION_WITH_LOAD_IN_PROGRESS = 2
FIRST_VERSION_WITH_ABORTABLE = 4
FIRST_VERSION_THAT_ADDS = 5


def handle(
    request: TxnOffsetCommitRequest, context: RequestContext
) -> Answer[TxnOffsetCommitResponse] | Coroutine[None, None, TxnOffsetCommitResponse]:
    """Offsets of partitions that exist go to the group's coordinator; the others are answered here."""
    unknown = _take_out_unknown(request, context)
    if not request.topics:
        return unknown

    def finish(response: TxnOffsetCommitResponse) -> TxnOffsetCommitResponse:
        for topic in response.topics:
            for partition in topic.partitions:
                partition.error_code = _known(partition.error_code, context.api_version)
        return _merged(response, unknown)

    answer = then(_admitted(request, context), lambda code: _commit(request, context, code))
    return then(answer, finish)


def error_response(request: TxnOffsetCommitRequest, code: ErrorCode, message: str | None) -> TxnOffsetCommitResponse:
    """Every partition of the request answered with `code`."""
    return txn_commit_refused(request, code)


def _admitted(request: TxnOffsetCommitRequest, context: RequestContext) -> Answer[ErrorCode]:
    """Whether the group's partition of `__consumer_offsets` takes part in the producer's transaction.

    INVALID_GROUP_ID before anybody is asked: a group without a name joins nothing.
    """
    if not request.group_id:
        return ErrorCode.INVALID_GROUP_ID
    services, version = context.services, context.api_version
    index = services.groups.partition_for(request.group_id)
    partition = services.replicas.get(GROUP_METADATA_TOPIC, index)
    if partition is None:
        return ErrorCode.NOT_COORDINATOR
    producer = ProducerIdentity(request.producer_id, request.producer_epoch)
    if takes_part(partition, producer):
        return ErrorCode.NONE
    name = TopicPartition(GROUP_METADATA_TOPIC, index)
    verdicts: Answer[Verdicts] = admit(
        services,
        request.transactional_id,
        producer,
        [name],
        adds=version >= FIRST_VERSION_THAT_ADDS,
        knows_abortable=version >= FIRST_VERSION_WITH_ABORTABLE,
    )
    return then(verdicts, lambda found: found.get(name, ErrorCode.NONE))


def _commit(
    request: TxnOffsetCommitRequest, context: RequestContext, admitted: ErrorCode
) -> Answer[TxnOffsetCommitResponse]:
    if admitted is not ErrorCode.NONE:
        return txn_commit_refused(request, APPEND_ERRORS.get(admitted, admitted))
    return context.services.groups.commit_transactional_offsets(request)


def _known(code: int, version: int) -> int:
    if code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS and version < FIRST_VERSION_WITH_LOAD_IN_PROGRESS:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    return code


def _take_out_unknown(request: TxnOffsetCommitRequest, context: RequestContext) -> TxnOffsetCommitResponse:
    """Leave in the request what exists; UNKNOWN_TOPIC_OR_PARTITION for the rest."""
    known, unknown = [], []
    for topic in request.topics:
        count = context.services.metadata.partition_count(topic.name)
        there = [partition for partition in topic.partitions if 0 <= partition.partition_index < count]
        missing = [partition for partition in topic.partitions if not 0 <= partition.partition_index < count]
        if there:
            known.append(TxnOffsetCommitRequestTopic(name=topic.name, partitions=there))
        if missing:
            unknown.append(TxnOffsetCommitRequestTopic(name=topic.name, partitions=missing))
    request.topics = unknown
    refused = txn_commit_refused(request, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    request.topics = known
    return refused


def _merged(response: TxnOffsetCommitResponse, refused: TxnOffsetCommitResponse) -> TxnOffsetCommitResponse:
    """Both answers in one, each topic once."""
    topics = {topic.name: topic for topic in response.topics}
    for topic in refused.topics:
        accepted = topics.get(topic.name)
        if accepted is None:
            response.topics.append(topic)
        else:
            accepted.partitions += topic.partitions
    return response
