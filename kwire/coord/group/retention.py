"""When committed offsets, and groups that nobody uses, are forgotten (KIP-211; apache/kafka `ClassicGroup`)."""

from __future__ import annotations

from collections.abc import Iterable

from kwire.coord.decision import Decision
from kwire.coord.formats import NO_EXPIRY
from kwire.coord.group.classic_group import ClassicGroup
from kwire.coord.group.kinds import ModernGroup
from kwire.coord.group.offsets import CommittedOffset, GroupOffsets
from kwire.coord.group.states import GroupState
from kwire.wire.messages.group_records import GroupMetadataKey, OffsetCommitKey


def expire(groups: Iterable[ClassicGroup], offsets: GroupOffsets, retention_ms: int, now_ms: int) -> Decision:
    """Tombstones for offsets whose time is over, and for empty groups that are left without any.

    | group | an offset's time runs from |
    |---|---|
    | with a protocol type, Empty | the moment the group became empty |
    | consumers, Stable | its commit, if no member is subscribed to the topic |
    | simple (offsets stored by hand) | its commit |
    | any other | never |

    A commit that brought its own retention (OffsetCommit v2-v4) goes by that alone, where it goes at all.
    """
    out = Decision(atomic=False)
    for group in groups:
        all_expired = _expire_offsets(group, offsets, retention_ms, now_ms, out)
        if (
            all_expired
            and group.state is GroupState.EMPTY
            and not group.pending_join_members
            and not offsets.has_pending(group.group_id)
        ):
            out.record(GroupMetadataKey(group=group.group_id), None)
    return out


def expire_modern_groups(
    groups: Iterable[ModernGroup], offsets: GroupOffsets, retention_ms: int, now_ms: int, out: Decision
) -> None:
    """The same for other groups: an offset's time runs from its commit, unless a member subscribes to the topic."""
    for group in groups:
        group_id = group.group_id
        all_expired = True
        for partition, committed in offsets.committed(group_id):
            expire_ms = committed.expire_timestamp_ms
            if expire_ms == NO_EXPIRY:
                expire_ms = committed.commit_timestamp_ms + retention_ms
            if now_ms < expire_ms or group.is_subscribed_to(partition.topic) or offsets.is_pending(group_id, partition):
                all_expired = False
            else:
                out.record(OffsetCommitKey(group=group_id, topic=partition.topic, partition=partition.partition), None)
        if all_expired and group.is_empty and not offsets.has_pending(group_id):
            out.records += group.tombstones()


def _expire_offsets(group: ClassicGroup, offsets: GroupOffsets, retention_ms: int, now_ms: int, out: Decision) -> bool:
    """Whether nothing that is committed outlives this."""
    if group.group_id not in offsets.by_group:
        return True
    if not _may_expire(group):
        return False
    all_expired = True
    for partition, committed in offsets.committed(group.group_id):
        if (
            group.is_subscribed_to(partition.topic)
            or not _is_expired(group, committed, retention_ms, now_ms)
            or offsets.is_pending(group.group_id, partition)
        ):
            all_expired = False
        else:
            key = OffsetCommitKey(group=group.group_id, topic=partition.topic, partition=partition.partition)
            out.record(key, None)
    return all_expired


def _may_expire(group: ClassicGroup) -> bool:
    if group.protocol_type is None or group.state is GroupState.EMPTY:
        return True
    return group.state is GroupState.STABLE and group.subscribed_topics() is not None


def _is_expired(group: ClassicGroup, committed: CommittedOffset, retention_ms: int, now_ms: int) -> bool:
    if committed.expire_timestamp_ms != NO_EXPIRY:
        return now_ms >= committed.expire_timestamp_ms
    since_ms = committed.commit_timestamp_ms
    is_empty = group.protocol_type is not None and group.state is GroupState.EMPTY
    if is_empty and group.state_timestamp_ms is not None:
        since_ms = group.state_timestamp_ms
    return now_ms - since_ms >= retention_ms
