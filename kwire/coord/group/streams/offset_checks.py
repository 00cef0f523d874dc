"""Which commits and fetches of offsets a Streams group lets through (KIP-1071; KIP-1251 for older epochs)."""

from __future__ import annotations

from collections.abc import Iterable

from kwire.coord.group.streams.group import StreamsGroup
from kwire.coord.group.streams.member import StreamsMember
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.offset_commit import OffsetCommitRequest, OffsetCommitRequestTopic
from kwire.wire.messages.offset_fetch import OffsetFetchRequestGroup
from kwire.wire.messages.txn_offset_commit import TxnOffsetCommitRequest, TxnOffsetCommitRequestTopic


def check_commit(group: StreamsGroup, request: OffsetCommitRequest, *, knows_member_epochs: bool) -> None:
    """Let a member commit at its epoch, and at an older one what it has had since then; anybody if nobody is there.

    `knows_member_epochs`: the request's version can tell a stale epoch (OffsetCommit v9+). Raises UNKNOWN_MEMBER_ID,
    UNSUPPORTED_VERSION, STALE_MEMBER_EPOCH.
    """
    epoch = request.generation_id_or_member_epoch
    if epoch < 0 and group.is_empty:
        return
    member = group.member(request.member_id)
    if not knows_member_epochs:
        raise KafkaError(ErrorCode.UNSUPPORTED_VERSION)
    _check_epoch(group, member, epoch, request.topics)


def check_transactional_commit(group: StreamsGroup, request: TxnOffsetCommitRequest) -> None:
    """As `check_commit`, for a commit within a transaction. Older clients name neither member nor epoch.

    Raises UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH.
    """
    epoch = request.generation_id
    is_named = epoch != -1 or request.member_id != "" or request.group_instance_id is not None
    if not is_named or (epoch < 0 and group.is_empty):
        return
    _check_epoch(group, group.member(request.member_id), epoch, request.topics)


def check_fetch(group: StreamsGroup, request: OffsetFetchRequestGroup) -> None:
    """Let a member fetch at its epoch, and anybody who does not say who it is.

    Raises UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH.
    """
    if request.member_id is None and request.member_epoch < 0:
        return
    member = group.member(request.member_id or "")
    if request.member_epoch != member.member_epoch:
        raise _stale(f"Epoch {request.member_epoch} is not the member's, {member.member_epoch}.")


def _check_epoch(
    group: StreamsGroup,
    member: StreamsMember,
    epoch: int,
    requested: Iterable[OffsetCommitRequestTopic | TxnOffsetCommitRequestTopic],
) -> None:
    """The member's own epoch is always good, an older one for the inputs of tasks that it has had since then."""
    if epoch == member.member_epoch:
        return
    if epoch > member.member_epoch:
        raise _stale(f"Epoch {epoch} is newer than the member's, {member.member_epoch}.")
    readers = {} if group.topology is None else group.topology.readers
    for topic in requested:
        subtopology = readers.get(topic.name)
        for partition in topic.partitions:
            index = partition.partition_index
            since = None if subtopology is None else member.has.epoch_of(subtopology, index)
            if since is None or epoch < since:
                raise _stale(f"The member did not have the task of {topic.name}-{index} in epoch {epoch}.")


def _stale(text: str) -> KafkaError:
    return KafkaError(ErrorCode.STALE_MEMBER_EPOCH, text)
