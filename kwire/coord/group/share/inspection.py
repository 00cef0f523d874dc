"""What ShareGroupDescribe shows of share groups."""

from __future__ import annotations

from kwire.coord.group.modern.topics import TopicDirectory
from kwire.coord.group.share.group import ShareGroup
from kwire.coord.group.share.groups import ASSIGNOR_NAME
from kwire.coord.group.share.records import ShareMember
from kwire.errors import ErrorCode
from kwire.wire.messages.share_group_describe import Assignment, DescribedGroup, Member, TopicPartitions


def describe_share_group(
    group_id: str, group: ShareGroup | None, *, is_other_kind: bool, topics: TopicDirectory
) -> DescribedGroup:
    """One group; without it GROUP_ID_NOT_FOUND and the reason. Topics that exist no more are left out."""
    if group is None:
        text = f"Group {group_id} is not a share group." if is_other_kind else f"Group {group_id} not found."
        return describe_failure(group_id, ErrorCode.GROUP_ID_NOT_FOUND, text)
    return DescribedGroup(
        error_code=ErrorCode.NONE,
        group_id=group_id,
        group_state=group.state,
        group_epoch=group.group_epoch,
        assignment_epoch=group.assignment_epoch,
        assignor_name=ASSIGNOR_NAME,
        members=[_describe_member(member, topics) for member in group.members.values()],
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


def _describe_member(member: ShareMember, topics: TopicDirectory) -> Member:
    return Member(
        member_id=member.member_id,
        rack_id=member.rack_id,
        member_epoch=member.member_epoch,
        client_id=member.client_id,
        client_host=member.client_host,
        subscribed_topic_names=sorted(member.topic_names),
        assignment=Assignment(
            topic_partitions=[
                TopicPartitions(topic_id=topic_id, topic_name=topic.name, partitions=sorted(numbers))
                for topic_id, numbers in member.assigned.items()
                if (topic := topics.topic_by_id(topic_id)) is not None
            ]
        ),
    )
