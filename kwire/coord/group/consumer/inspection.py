"""What ConsumerGroupDescribe and ListGroups show of consumer groups."""

from __future__ import annotations

from collections.abc import Iterable

from kwire.coord.group.consumer.config import ConsumerGroupConfig
from kwire.coord.group.consumer.group import CONSUMER_GROUP_TYPE, ConsumerGroup
from kwire.coord.group.consumer.member import ConsumerMember
from kwire.coord.group.modern.assignment import NOTHING, Partitions, merged
from kwire.coord.group.modern.topics import TopicDirectory
from kwire.errors import ErrorCode
from kwire.wire.messages.consumer_group_describe import Assignment, DescribedGroup, Member, TopicPartitions
from kwire.wire.messages.list_groups import ListedGroup

CLASSIC_MEMBER, CONSUMER_MEMBER = 0, 1
"""KIP-1099's types of members."""


def describe_consumer_group(
    group_id: str,
    group: ConsumerGroup | None,
    reason: str | None,
    config: ConsumerGroupConfig,
    topics: TopicDirectory,
) -> DescribedGroup:
    """One group; without it GROUP_ID_NOT_FOUND and the `reason`. Topics that exist no more are left out."""
    if group is None:
        text = reason or f"Group {group_id} not found."
        return describe_failure(group_id, ErrorCode.GROUP_ID_NOT_FOUND, text)
    return DescribedGroup(
        error_code=ErrorCode.NONE,
        group_id=group_id,
        group_state=group.state,
        group_epoch=group.group_epoch,
        assignment_epoch=group.assignment_epoch,
        assignor_name=group.preferred_assignor(config.assignors),
        members=[
            _describe_member(member, group.targets.get(member.member_id, NOTHING), topics)
            for member in group.members.values()
        ],
    )


def describe_failure(group_id: str, code: ErrorCode, message: str | None = None) -> DescribedGroup:
    """A group about which nothing can be said."""
    return DescribedGroup(
        error_code=code,
        error_message=message,
        group_id=group_id,
        group_state="",
        group_epoch=0,
        assignment_epoch=0,
        assignor_name="",
        members=[],
    )


def _describe_member(member: ConsumerMember, target: Partitions, topics: TopicDirectory) -> Member:
    """A member; what it still has to give back is its own until then."""
    said = member.said
    return Member(
        member_id=member.member_id,
        instance_id=said.instance_id,
        rack_id=said.rack_id,
        member_epoch=member.member_epoch,
        client_id=said.client_id,
        client_host=said.client_host,
        subscribed_topic_names=sorted(said.topic_names),
        subscribed_topic_regex=said.topic_regex,
        assignment=_assignment(merged(member.has.assigned, member.has.pending_revocation), topics),
        target_assignment=_assignment(target, topics),
        member_type=CLASSIC_MEMBER if member.uses_classic_protocol else CONSUMER_MEMBER,
    )


def _assignment(partitions: Partitions, topics: TopicDirectory) -> Assignment:
    return Assignment(
        topic_partitions=[
            TopicPartitions(topic_id=topic_id, topic_name=topic.name, partitions=sorted(numbers))
            for topic_id, numbers in partitions.items()
            if (topic := topics.topic_by_id(topic_id)) is not None
        ]
    )


def list_consumer_groups(groups: Iterable[ConsumerGroup], states: list[str], types: list[str]) -> list[ListedGroup]:
    """The groups in one of these states, if their type is asked for; no filter lets all pass, case does not matter."""
    wanted_states = {state.strip().lower() for state in states}
    if types and CONSUMER_GROUP_TYPE not in {name.lower() for name in types}:
        return []
    return [
        ListedGroup(
            group_id=group.group_id,
            protocol_type=CONSUMER_GROUP_TYPE,
            group_state=state,
            group_type=CONSUMER_GROUP_TYPE,
        )
        for group in groups
        if (state := group.state).lower() in wanted_states or not wanted_states
    ]
