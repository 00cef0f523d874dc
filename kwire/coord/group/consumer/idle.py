"""The heartbeat of a member that has nothing to say, while there is nothing to tell it: nearly every one there is."""

from __future__ import annotations

from kwire.coord.group.consumer.group import ConsumerGroup
from kwire.coord.group.consumer.member import ConsumerMember, Requester
from kwire.coord.group.modern.reconciliation import MemberState
from kwire.wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest


def is_idle(
    group: ConsumerGroup,
    member: ConsumerMember,
    request: ConsumerGroupHeartbeatRequest,
    requester: Requester,
    topics_version: int,
) -> bool:
    """Whether all that the heartbeat does is to keep the member's session; False where that is not plain to see.

    It repeats nothing but its epoch and perhaps its instance id; the member is where the group is, which has a target
    for the topics as they are, and no regular expressions, which are to be looked at from time to time.
    """
    said, has = member.said, member.has
    return (
        request.member_epoch == has.member_epoch == group.assignment_epoch == group.group_epoch
        and request.topic_partitions is None
        and request.subscribed_topic_names is None
        and request.subscribed_topic_regex is None
        and request.rebalance_timeout_ms == -1
        and request.server_assignor is None
        and request.rack_id is None
        and request.instance_id in (None, said.instance_id)
        and has.state is MemberState.STABLE
        and group.metadata_version_seen == topics_version
        and not group.regex_counts
        and said.classic is None
        and said.client_id == requester.client_id
        and said.client_host == requester.client_host
    )
