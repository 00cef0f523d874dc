"""What DescribeGroups and ListGroups show of classic groups."""

from __future__ import annotations

from collections.abc import Iterable

from kwire.coord.group.classic_group import ClassicGroup
from kwire.coord.group.members import ClassicMember
from kwire.coord.group.states import GroupState
from kwire.errors import ErrorCode
from kwire.wire.messages.describe_groups import DescribedGroup, DescribedGroupMember
from kwire.wire.messages.list_groups import ListedGroup

CLASSIC_GROUP_TYPE = "classic"


def describe(group_id: str, group: ClassicGroup | None) -> DescribedGroup:
    """One group; an unknown one is Dead. Metadata is shown of a stable group only.

    Assignments are shown of any: while a group rebalances its members still have the last ones (apache/kafka since 4.0,
    `ClassicGroupMember`).
    """
    if group is None:
        return DescribedGroup(
            error_code=ErrorCode.NONE,
            group_id=group_id,
            group_state=GroupState.DEAD.value,
            protocol_type="",
            protocol_data="",
            members=[],
        )
    protocol = group.protocol_name if group.state is GroupState.STABLE else None
    return DescribedGroup(
        error_code=ErrorCode.NONE,
        group_id=group_id,
        group_state=group.state.value,
        protocol_type=group.protocol_type or "",
        protocol_data=protocol or "",
        members=[_describe_member(member, protocol) for member in group.members.values()],
    )


def describe_other_kind(group_id: str) -> DescribedGroup:
    """A group that has no classic members to show: as good as Dead."""
    dead = describe(group_id, None)
    dead.error_message = f"Group {group_id} is not a classic group."
    return dead


def describe_failure(group_id: str, code: ErrorCode) -> DescribedGroup:
    """A group about which nothing can be said."""
    return DescribedGroup(
        error_code=code, group_id=group_id, group_state="", protocol_type="", protocol_data="", members=[]
    )


def _describe_member(member: ClassicMember, protocol: str | None) -> DescribedGroupMember:
    return DescribedGroupMember(
        member_id=member.member_id,
        group_instance_id=member.group_instance_id,
        client_id=member.client_id,
        client_host=member.client_host,
        member_metadata=b"" if protocol is None else member.protocols[protocol],
        member_assignment=member.assignment,
    )


def list_groups(groups: Iterable[ClassicGroup], states: list[str], types: list[str]) -> list[ListedGroup]:
    """The groups in one of these states (KIP-518) and of one of these types (KIP-848); no filter lets all pass.

    Case does not matter, and neither does a state or type that nobody has heard of: nothing is in it.
    """
    wanted_states = {state.strip().lower() for state in states}
    if types and CLASSIC_GROUP_TYPE not in {name.lower() for name in types}:
        return []
    return [
        ListedGroup(
            group_id=group.group_id,
            protocol_type=group.protocol_type or "",
            group_state=group.state.value,
            group_type=CLASSIC_GROUP_TYPE,
        )
        for group in groups
        if not wanted_states or group.state.value.lower() in wanted_states
    ]
