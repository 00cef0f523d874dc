"""StreamsGroupDescribe: a group with its topology and tasks, and groups that there are not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kwire.api.describe_groups import ALL_GROUP_OPERATIONS
from kwire.errors import ErrorCode
from kwire.wire.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from kwire.wire.messages.describe_groups import DescribeGroupsRequest
from kwire.wire.messages.find_coordinator import FindCoordinatorRequest
from kwire.wire.messages.streams_group_describe import StreamsGroupDescribeRequest
from kwire.wire.messages.streams_group_heartbeat import Endpoint, KeyValue
from tests.api.served import Served
from tests.api.streams_app import CHANGELOG, REPARTITION, beat, joining, tasks, word_count


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    served.call(FindCoordinatorRequest(key_type=0, coordinator_keys=["app"]), 6)
    served.create_topic("lines", 2)
    yield served
    served.close()


def test_a_group_is_shown_whole(served: Served) -> None:
    joined = served.call(
        joining(user_endpoint=Endpoint(host="here", port=1), client_tags=[KeyValue(key="zone", value="a")]), 0
    )
    request = StreamsGroupDescribeRequest(group_ids=["app"], include_authorized_operations=True)
    (group,) = served.call(request, 0).groups
    assert (group.error_code, group.group_state, group.authorized_operations) == (
        ErrorCode.NONE,
        "Stable",
        ALL_GROUP_OPERATIONS,
    )
    assert group.group_epoch == group.assignment_epoch == joined.member_epoch
    first, second = group.topology.subtopologies
    assert (first.subtopology_id, first.source_topics, first.repartition_sink_topics) == ("0", ["lines"], [REPARTITION])
    (changelog,) = second.state_changelog_topics
    assert (changelog.name, changelog.partitions) == (CHANGELOG, 2)
    assert [(config.key, config.value) for config in changelog.topic_configs] == [("cleanup.policy", "compact")]
    assert [topic.name for topic in second.repartition_source_topics] == [REPARTITION]
    (member,) = group.members
    assert (member.member_id, member.member_epoch, member.process_id) == ("m", joined.member_epoch, "p")
    assert (member.client_id, member.client_host, member.is_classic) == ("test", "/127.0.0.1", False)
    assert (member.user_endpoint.host, member.topology_epoch) == ("here", 0)
    assert [(tag.key, tag.value) for tag in member.client_tags] == [("zone", "a")]
    both = {"0": [0, 1], "1": [0, 1]}
    assert tasks(member.assignment.active_tasks) == tasks(member.target_assignment.active_tasks) == both
    assert tasks(member.assignment.standby_tasks) == {}


def test_a_topology_without_its_topics_is_shown_as_it_was_asked_for(served: Served) -> None:
    served.call(joining(topology=word_count("other")), 0)
    request = StreamsGroupDescribeRequest(group_ids=["app"], include_authorized_operations=False)
    (group,) = served.call(request, 0).groups
    assert group.group_state == "NotReady"
    assert [topic.partitions for topic in group.topology.subtopologies[1].repartition_source_topics] == [0]
    assert group.authorized_operations == -(1 << 31)


def test_groups_of_other_kinds_are_not_found(served: Served) -> None:
    served.call(joining(), 0)
    served.call(beat(-1), 0)
    request = StreamsGroupDescribeRequest(group_ids=["nobody", "", ""], include_authorized_operations=False)
    answers = [(group.group_id, group.error_code) for group in served.call(request, 0).groups]
    assert answers == [("", ErrorCode.INVALID_GROUP_ID), ("nobody", ErrorCode.GROUP_ID_NOT_FOUND)]
    (consumers,) = served.call(
        ConsumerGroupDescribeRequest(group_ids=["app"], include_authorized_operations=False), 1
    ).groups
    assert (consumers.error_code, consumers.error_message) == (
        ErrorCode.GROUP_ID_NOT_FOUND,
        "Group app is not a consumer group.",
    )
    (classic,) = served.call(DescribeGroupsRequest(groups=["app"]), 6).groups
    assert (classic.error_code, classic.error_message) == (
        ErrorCode.GROUP_ID_NOT_FOUND,
        "Group app is not a classic group.",
    )


def test_a_protocol_that_is_switched_off_is_not_served() -> None:
    served = Served({"group.coordinator.rebalance.protocols": "classic"})
    try:
        request = StreamsGroupDescribeRequest(group_ids=["app"], include_authorized_operations=False)
        assert [group.error_code for group in served.call(request, 0).groups] == [ErrorCode.UNSUPPORTED_VERSION]
    finally:
        served.close()
