"""What of a shard has to survive: the comparison behind "a fresh core fed the log equals the living one"."""

from __future__ import annotations

from typing import Any

from kwire.coord.group.classic_group import ClassicGroup
from kwire.coord.group.consumer.group import ConsumerGroup
from kwire.coord.group.kinds import KINDS
from kwire.coord.group.shard import GroupShard
from kwire.coord.group.states import GroupState


def assert_same_hard_state(live: GroupShard, fresh: GroupShard) -> None:
    """Offsets and groups of `fresh`, which only knows the log, are those of `live`.

    A group in the middle of a rebalance is ahead of the log on purpose: the log has an earlier generation of it, or the
    same one before its assignment. Groups that were never stored are nobody's loss.
    """
    assert _offsets(fresh) == _offsets(live)
    assert fresh.consumer.groups.keys() == live.consumer.groups.keys()
    for group_id, group in live.consumer.groups.items():
        assert _consumer_hard_state(fresh.consumer.groups[group_id]) == _consumer_hard_state(group)
    for name in KINDS:
        kind = live.kinds.met(name)
        if kind is None:
            continue
        fresh_groups = fresh.kinds.kind(name).groups
        assert fresh_groups.keys() == kind.groups.keys()
        for group_id, modern_group in kind.groups.items():
            assert _modern_hard_state(fresh_groups[group_id]) == _modern_hard_state(modern_group)
    expected = {
        group_id for group_id, group in live.groups.items() if group.is_persisted or group_id in live.offsets.by_group
    }
    # A simple group lives on without its offsets until the clean-up.
    assert expected <= fresh.groups.keys() <= live.groups.keys()
    for group_id in expected:
        _assert_same_group(live.groups[group_id], fresh.groups[group_id])


def _offsets(shard: GroupShard) -> Any:
    """What is committed. The order of commits means something only among those of one life."""
    return {
        (group_id, partition): committed._replace(order=0)
        for group_id in shard.offsets.by_group
        for partition, committed in shard.offsets.committed(group_id)
    }


def _consumer_hard_state(group: ConsumerGroup) -> Any:
    soft = {"metadata_version_seen", "regex_version_seen"}
    return {name: getattr(group, name) for name in group.__slots__ if name not in soft}


def _modern_hard_state(group: Any) -> Any:
    return {name: getattr(group, name) for name in group.__slots__ if name not in group.SOFT_STATE}


def _assert_same_group(live: ClassicGroup, fresh: ClassicGroup) -> None:
    assert fresh.is_persisted == live.is_persisted
    if live.state in (GroupState.PREPARING_REBALANCE, GroupState.COMPLETING_REBALANCE):
        assert fresh.generation_id <= live.generation_id
        assert fresh.state in (GroupState.EMPTY, GroupState.STABLE)
    else:
        assert _stored(fresh) == _stored(live)


def _stored(group: ClassicGroup) -> Any:
    return {
        "state": group.state,
        "state timestamp": group.state_timestamp_ms,
        "generation": group.generation_id,
        "protocol type": group.protocol_type,
        "protocol": group.protocol_name,
        "leader": group.leader_id,
        "subscribed topics": group.subscribed_topics(),
        "static members": group.static_members,
        "members": [
            (
                member.member_id,
                member.group_instance_id,
                member.client_id,
                member.client_host,
                member.rebalance_timeout_ms,
                member.session_timeout_ms,
                member.protocols[group.protocol_name or ""],
                member.assignment,
            )
            for member in group.members.values()
        ],
    }
