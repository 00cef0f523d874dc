"""Which commits and fetches of offsets a consumer group lets through (KIP-848; KIP-1251 for older epochs)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kwire.coord.group.consumer.group import ConsumerGroup
from kwire.coord.group.consumer.member import ConsumerMember
from kwire.coord.group.modern.topics import TopicDirectory
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.offset_commit import OffsetCommitRequest, OffsetCommitRequestTopic
from kwire.wire.messages.offset_fetch import OffsetFetchRequestGroup
from kwire.wire.messages.txn_offset_commit import TxnOffsetCommitRequest, TxnOffsetCommitRequestTopic


def check_commit(
    group: ConsumerGroup, request: OffsetCommitRequest, topics: TopicDirectory, *, knows_member_epochs: bool
) -> None:
    """Let a member commit at its epoch, and at an older one what it has had since then; anybody if nobody is there.

    `knows_member_epochs`: the request's version can tell a stale epoch (OffsetCommit v9+). Raises UNKNOWN_MEMBER_ID,
    UNSUPPORTED_VERSION, STALE_MEMBER_EPOCH, ILLEGAL_GENERATION (for members of the classic protocol).
    """
    epoch = request.generation_id_or_member_epoch
    if epoch < 0 and group.is_empty:
        return
    member = group.member(request.member_id)
    if not knows_member_epochs and not member.uses_classic_protocol:
        raise KafkaError(ErrorCode.UNSUPPORTED_VERSION)
    _check_epoch(member, epoch, _named(request.topics), topics)


def check_transactional_commit(group: ConsumerGroup, request: TxnOffsetCommitRequest, topics: TopicDirectory) -> None:
    """As `check_commit`, for a commit within a transaction. Older clients name neither member nor epoch.

    Raises UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH, ILLEGAL_GENERATION (for members of the classic protocol).
    """
    epoch = request.generation_id
    is_named = epoch >= 0 or request.member_id != "" or request.group_instance_id is not None
    if not is_named or (epoch < 0 and group.is_empty):
        return
    _check_epoch(group.member(request.member_id), epoch, _named(request.topics), topics)


def check_fetch(group: ConsumerGroup, request: OffsetFetchRequestGroup) -> None:
    """Let a member fetch at its epoch, and anybody who does not say who it is.

    Raises UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH, ILLEGAL_GENERATION (for members of the classic protocol).
    """
    if request.member_id is None and request.member_epoch < 0:
        return
    member = group.member(request.member_id or "")
    if request.member_epoch != member.member_epoch:
        raise _stale(member, f"Epoch {request.member_epoch} is not the member's, {member.member_epoch}.")


def _named(
    requested: Iterable[OffsetCommitRequestTopic | TxnOffsetCommitRequestTopic],
) -> Iterator[tuple[str, int]]:
    """The partitions of a request, by topic name and number."""
    for topic in requested:
        for partition in topic.partitions:
            yield topic.name, partition.partition_index


def _check_epoch(
    member: ConsumerMember, epoch: int, partitions: Iterator[tuple[str, int]], topics: TopicDirectory
) -> None:
    """The member's own epoch is always good, an older one for partitions that the member has had since then."""
    if epoch == member.member_epoch:
        return
    if epoch > member.member_epoch:
        raise _stale(member, f"Epoch {epoch} is newer than the member's, {member.member_epoch}.")
    for name, index in partitions:
        known = topics.topics.get(name)
        since = None if known is None else member.has.epoch_of(known.topic_id, index)
        if since is None or epoch < since:
            raise _stale(member, f"The member did not have {name}-{index} in epoch {epoch}.")


def _stale(member: ConsumerMember, text: str) -> KafkaError:
    code = ErrorCode.ILLEGAL_GENERATION if member.uses_classic_protocol else ErrorCode.STALE_MEMBER_EPOCH
    return KafkaError(code, text)
