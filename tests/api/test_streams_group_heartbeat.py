"""StreamsGroupHeartbeat: what a request must look like, a life in a group, and the topics that the broker makes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kwire.errors import ErrorCode
from kwire.wire.messages.delete_groups import DeleteGroupsRequest
from kwire.wire.messages.find_coordinator import FindCoordinatorRequest
from kwire.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from kwire.wire.messages.list_groups import ListGroupsRequest
from kwire.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from kwire.wire.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from kwire.wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
)
from kwire.wire.messages.streams_group_heartbeat import Endpoint, TaskIds, TaskOffset
from kwire.wire.messages.streams_group_heartbeat import KeyValue as Tag
from tests.api.served import Served
from tests.api.streams_app import CHANGELOG, REPARTITION, beat, joining, statuses, tasks, word_count

BOTH = {"0": [0, 1, 2], "1": [0, 1, 2]}


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    served.call(FindCoordinatorRequest(key_type=0, coordinator_keys=["app"]), 6)
    served.create_topic("lines", 3)
    yield served
    served.close()


def listed(served: Served, **filters: Any) -> list[tuple[str, str, str, str]]:
    request = ListGroupsRequest(**{"states_filter": [], "types_filter": [], **filters})
    groups = served.call(request, 5).groups
    return [(group.group_id, group.group_state, group.group_type, group.protocol_type) for group in groups]


def test_an_application_starts_with_its_first_heartbeat(served: Served) -> None:
    joined = served.call(joining(), 0)
    assert (joined.error_code, joined.error_message, joined.member_id) == (ErrorCode.NONE, None, "m")
    assert statuses(joined) == []
    assert tasks(joined.active_tasks) == BOTH
    assert (tasks(joined.standby_tasks), tasks(joined.warmup_tasks)) == ({}, {})
    assert joined.heartbeat_interval_ms == 5000
    assert joined.partitions_by_user_endpoint is None
    metadata = served.broker.services.metadata
    assert metadata.partition_count(REPARTITION) == metadata.partition_count(CHANGELOG) == 3
    assert metadata.topics[CHANGELOG].overrides["cleanup.policy"] == "compact"
    assert metadata.topics[REPARTITION].overrides["cleanup.policy"] == "delete"
    lives = served.call(beat(joined.member_epoch), 0)
    assert (lives.error_code, lives.member_epoch, lives.active_tasks) == (ErrorCode.NONE, joined.member_epoch, None)
    says = served.call(beat(joined.member_epoch, {}), 0)
    assert tasks(says.active_tasks) == BOTH, "the answer with the tasks may have been lost"
    assert listed(served) == [("app", "Stable", "streams", "streams")]
    assert listed(served, types_filter=["Streams"], states_filter=["stable"]) == listed(served)
    assert listed(served, types_filter=["classic"]) == listed(served, states_filter=["NotReady"]) == []


def test_a_second_instance_takes_half_of_the_tasks(served: Served) -> None:
    first = served.call(joining(), 0)
    second = served.call(joining(member_id="n", process_id="q"), 0)
    assert tasks(second.active_tasks) == {}
    told = served.call(beat(first.member_epoch, BOTH), 0)
    left = tasks(told.active_tasks)
    assert left is not None
    assert sum(map(len, left.values())) == 3
    done = served.call(beat(told.member_epoch, left), 0)
    assert done.member_epoch == second.member_epoch
    taken = tasks(served.call(beat(second.member_epoch, {}, member_id="n"), 0).active_tasks)
    assert taken is not None
    for name, partitions in BOTH.items():
        assert sorted(left.get(name, []) + taken.get(name, [])) == partitions


def test_a_missing_source_is_named_until_it_is_there(served: Served) -> None:
    joined = served.call(joining(topology=word_count("other")), 0)
    assert statuses(joined) == [(1, "Source topics other are missing.")]
    assert listed(served, states_filter=["NotReady"]) == [("app", "NotReady", "streams", "streams")]
    served.create_topic("other", 2)
    lives = served.call(beat(joined.member_epoch, {}), 0)
    assert statuses(lives) == []
    assert tasks(lives.active_tasks) == {"0": [0, 1], "1": [0, 1]}


def test_topics_of_another_width_are_named(served: Served) -> None:
    served.create_topic(CHANGELOG, 5)
    joined = served.call(joining(), 0)
    text = f"Existing topic {CHANGELOG} has different number of partitions: expected 3, found 5"
    assert statuses(joined) == [(2, text)]
    assert REPARTITION not in served.broker.services.metadata.topics


def test_topics_that_cannot_be_created_are_named(served: Served) -> None:
    joined = served.call(joining(topology=word_count(retention="forever")), 0)
    ((code, text),) = statuses(joined)
    assert code == 3
    start = f"Internal topics are missing: {CHANGELOG}, {REPARTITION}; Creation failed: {REPARTITION} ("
    assert text.startswith(start)
    assert "retention.ms" in text
    assert joined.member_epoch > 0


def test_endpoints_are_told_who_has_what(served: Served) -> None:
    joined = served.call(joining(user_endpoint=Endpoint(host="here", port=8080)), 0)
    (told,) = joined.partitions_by_user_endpoint
    assert (told.user_endpoint.host, told.user_endpoint.port) == ("here", 8080)
    assert [(part.topic, part.partitions) for part in told.active_partitions] == [
        ("lines", [0, 1, 2]),
        (REPARTITION, [0, 1, 2]),
    ]
    epoch = joined.endpoint_information_epoch
    known = served.call(beat(joined.member_epoch, BOTH, endpoint_information_epoch=epoch), 0)
    assert known.partitions_by_user_endpoint is None


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"group_id": " "}, ErrorCode.INVALID_REQUEST, "GroupId can't be empty."),
        ({"member_id": ""}, ErrorCode.INVALID_REQUEST, "MemberId can't be empty."),
        ({"rack_id": ""}, ErrorCode.INVALID_REQUEST, "RackId can't be empty."),
        ({"instance_id": "i"}, ErrorCode.INVALID_REQUEST, "Static membership is not yet supported."),
        ({"rebalance_timeout_ms": -1}, ErrorCode.INVALID_REQUEST, "RebalanceTimeoutMs must be provided"),
        ({"topology": None}, ErrorCode.INVALID_REQUEST, "Topology must be non-null when (re-)joining."),
        (
            {"active_tasks": [TaskIds(subtopology_id="0", partitions=[0])]},
            ErrorCode.INVALID_REQUEST,
            "ActiveTasks must",
        ),
        (
            {"standby_tasks": [TaskIds(subtopology_id="0", partitions=[0])]},
            ErrorCode.INVALID_REQUEST,
            "StandbyTasks mu",
        ),
        ({"warmup_tasks": [TaskIds(subtopology_id="0", partitions=[0])]}, ErrorCode.INVALID_REQUEST, "WarmupTasks are"),
        ({"active_tasks": None}, ErrorCode.INVALID_REQUEST, "ActiveTasks must be empty when (re-)joining."),
        (
            {"member_epoch": 1, "topology": None, "warmup_tasks": None},
            ErrorCode.INVALID_REQUEST,
            "If one task-type is non-null, all must be non-null.",
        ),
        ({"task_offsets": []}, ErrorCode.INVALID_REQUEST, "TaskOffsets are not supported yet."),
        (
            {"task_end_offsets": [TaskOffset(subtopology_id="0", partition=0, offset=0)]},
            ErrorCode.INVALID_REQUEST,
            "TaskEndOffsets are not supported yet.",
        ),
        ({"member_epoch": -2}, ErrorCode.INVALID_REQUEST, "InstanceId can't be null."),
        ({"member_epoch": -3}, ErrorCode.INVALID_REQUEST, "MemberEpoch is -3, but must be"),
        ({"member_epoch": 1}, ErrorCode.INVALID_REQUEST, "Topology can only be provided when (re-)joining."),
        ({"member_epoch": 1, "topology": None}, ErrorCode.GROUP_ID_NOT_FOUND, "Streams group app not found."),
        ({"member_epoch": -1, "topology": None}, ErrorCode.GROUP_ID_NOT_FOUND, "Group app not found."),
        ({"topology": word_count("a b")}, ErrorCode.STREAMS_INVALID_TOPOLOGY, "Topic names a b are not valid"),
        ({"topology": word_count("__consumer_offsets")}, ErrorCode.STREAMS_INVALID_TOPOLOGY, "Use of Kafka internal"),
        ({"topology": word_count(epoch=-1)}, ErrorCode.STREAMS_INVALID_TOPOLOGY, "Topology epoch -1 is negative."),
        ({"topology": word_count(partitions=-1)}, ErrorCode.STREAMS_INVALID_TOPOLOGY, "cannot have -1 partitions"),
    ],
)
def test_what_a_heartbeat_must_not_be(served: Served, changes: dict[str, Any], code: ErrorCode, text: str) -> None:
    refused = served.call(joining(**changes), 0)
    assert refused.error_code == code
    assert text in refused.error_message
    assert listed(served) == []


def test_a_protocol_that_is_switched_off_is_not_served() -> None:
    served = Served({"group.coordinator.rebalance.protocols": "classic,consumer"})
    try:
        assert served.call(joining(), 0).error_code == ErrorCode.UNSUPPORTED_VERSION
    finally:
        served.close()


def commit(epoch: int, member_id: str = "m", *, partition: int = 0) -> OffsetCommitRequest:
    spot = OffsetCommitRequestPartition(partition_index=partition, committed_offset=5)
    return OffsetCommitRequest(
        group_id="app",
        generation_id_or_member_epoch=epoch,
        member_id=member_id,
        topics=[OffsetCommitRequestTopic(name="lines", partitions=[spot])],
    )


def codes(response: Any) -> list[int]:
    return [partition.error_code for topic in response.topics for partition in topic.partitions]


def test_offsets_belong_to_members(served: Served) -> None:
    epoch = served.call(joining(), 0).member_epoch
    assert codes(served.call(commit(epoch), 9)) == [ErrorCode.NONE]
    assert codes(served.call(commit(epoch - 1), 9)) == [ErrorCode.STALE_MEMBER_EPOCH]
    assert codes(served.call(commit(epoch + 1), 9)) == [ErrorCode.STALE_MEMBER_EPOCH]
    assert codes(served.call(commit(epoch, "x"), 9)) == [ErrorCode.UNKNOWN_MEMBER_ID]
    assert codes(served.call(commit(-1, ""), 9)) == [ErrorCode.UNKNOWN_MEMBER_ID]
    assert codes(served.call(commit(epoch), 8)) == [ErrorCode.UNSUPPORTED_VERSION]

    def fetch(member_id: str | None, member_epoch: int) -> tuple[int, list[int]]:
        topics = [OffsetFetchRequestTopics(name="lines", partition_indexes=[0])]
        asked = OffsetFetchRequestGroup(group_id="app", member_id=member_id, member_epoch=member_epoch, topics=topics)
        (group,) = served.call(OffsetFetchRequest(groups=[asked]), 9).groups
        return group.error_code, [part.committed_offset for topic in group.topics for part in topic.partitions]

    assert fetch("m", epoch) == fetch(None, -1) == (ErrorCode.NONE, [5])
    assert fetch("m", epoch - 1) == (ErrorCode.STALE_MEMBER_EPOCH, [])
    assert fetch("x", epoch) == (ErrorCode.UNKNOWN_MEMBER_ID, [])


def delete_offset(topic: str) -> OffsetDeleteRequest:
    partitions = [OffsetDeleteRequestPartition(partition_index=0)]
    return OffsetDeleteRequest(group_id="app", topics=[OffsetDeleteRequestTopic(name=topic, partitions=partitions)])


def test_a_group_is_deleted_once_its_members_are_gone(served: Served) -> None:
    epoch = served.call(joining(), 0).member_epoch
    served.call(commit(epoch), 9)
    delete = DeleteGroupsRequest(groups_names=["app"])
    assert [result.error_code for result in served.call(delete, 2).results] == [ErrorCode.NON_EMPTY_GROUP]
    assert codes(served.call(delete_offset("lines"), 0)) == [ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC]
    left = served.call(beat(-1), 0)
    assert (left.error_code, left.member_epoch, statuses(left)) == (ErrorCode.NONE, -1, [])
    assert served.call(beat(-1), 0).error_code == ErrorCode.UNKNOWN_MEMBER_ID
    assert listed(served) == [("app", "Empty", "streams", "streams")]
    assert codes(served.call(delete_offset("lines"), 0)) == [ErrorCode.NONE]
    assert codes(served.call(commit(-1, ""), 9)) == [ErrorCode.NONE]
    assert [result.error_code for result in served.call(delete, 2).results] == [ErrorCode.NONE]
    assert listed(served) == []
    assert [result.error_code for result in served.call(delete, 2).results] == [ErrorCode.GROUP_ID_NOT_FOUND]


def classic_join(member_id: str = "") -> JoinGroupRequest:
    return JoinGroupRequest(
        group_id="app",
        session_timeout_ms=10_000,
        rebalance_timeout_ms=10_000,
        member_id=member_id,
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range", metadata=b"")],
    )


def test_another_kind_of_member_gets_in_once_the_group_is_empty(served: Served) -> None:
    served.call(joining(), 0)
    assert served.call(classic_join(), 9).error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    served.call(beat(-1), 0)
    asked = served.call(classic_join(), 9)
    assert asked.error_code == ErrorCode.MEMBER_ID_REQUIRED
    assert served.call(classic_join(asked.member_id), 9).error_code == ErrorCode.NONE
    assert [row[2] for row in listed(served)] == ["classic"]
    refused = served.call(joining(), 0)
    assert (refused.error_code, refused.error_message) == (
        ErrorCode.GROUP_ID_NOT_FOUND,
        "Group app is not a streams group.",
    )


def test_tags_and_hosts_are_remembered(served: Served) -> None:
    """A member that changes what it says about itself is a reason to look at the tasks again."""
    first = served.call(joining(client_tags=[Tag(key="zone", value="a")]), 0)
    again = served.call(beat(first.member_epoch, BOTH, client_tags=[Tag(key="zone", value="b")]), 0)
    assert again.member_epoch == first.member_epoch + 1


def test_one_instance_stops_the_whole_application(served: Served) -> None:
    first = served.call(joining(), 0)
    second = served.call(joining(member_id="n", process_id="q"), 0)
    served.call(beat(second.member_epoch, {}, member_id="n", shutdown_application=True), 0)
    told = statuses(served.call(beat(first.member_epoch, BOTH), 0))
    assert [code for code, _ in told] == [4]
    assert "member n encountered a fatal error" in told[0][1]


def test_groups_survive_a_restart(tmp_path: Any) -> None:
    served = Served(directories=[tmp_path])
    served.call(FindCoordinatorRequest(key_type=0, coordinator_keys=["app"]), 6)
    served.create_topic("lines", 3)
    epoch = served.call(joining(), 0).member_epoch
    served.close()
    served = Served(directories=[tmp_path])
    try:
        assert listed(served) == [("app", "Stable", "streams", "streams")]
        lives = served.call(beat(epoch), 0)
        assert (lives.error_code, lives.member_epoch, lives.active_tasks) == (ErrorCode.NONE, epoch, None)
    finally:
        served.close()
