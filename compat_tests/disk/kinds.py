"""Groups of every kind live for a while, so that the internal topics hold each kind of record that kwire writes.

Consumer groups (KIP-848) with a static member, a regular expression, and classic members that come before the others
and are left after them; a Streams group (KIP-1071) with an application of two subtopologies, share groups (KIP-932)
whose records are accepted, released and rejected. Of each kind somebody leaves or is deleted, for the tombstones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from compat_tests.disk import members
from compat_tests.disk.client import Client, check, wait_until
from compat_tests.disk.workload import START_MS
from kwire.errors import ErrorCode
from kwire.wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from kwire.wire.messages.consumer_group_heartbeat import TopicPartitions as OwnedPartitions
from kwire.wire.messages.delete_groups import DeleteGroupsRequest
from kwire.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from kwire.wire.messages.leave_group import LeaveGroupRequest
from kwire.wire.messages.metadata import MetadataRequest
from kwire.wire.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from kwire.wire.messages.share_fetch import AcknowledgementBatch, FetchPartition, FetchTopic, ShareFetchRequest
from kwire.wire.messages.share_group_heartbeat import ShareGroupHeartbeatRequest
from kwire.wire.messages.streams_group_heartbeat import (
    CopartitionGroup,
    Endpoint,
    KeyValue,
    StreamsGroupHeartbeatRequest,
    Subtopology,
    TaskIds,
    TopicInfo,
    Topology,
)
from kwire.wire.records import build_batch

TOPIC, SIDE_TOPIC = "kinds", "kinds-too"
PARTITIONS = 3
BROKER_OPTIONS = {
    "share.coordinator.state.topic.num.partitions": "2",
    "share.coordinator.snapshot.update.records.per.snapshot": "3",
}
CONSUMER_GROUP, REGEX_GROUP, MIGRATED_GROUP = "kinds-consumer", "kinds-regex", "kinds-migrated"
STREAMS_GROUP, SHARE_GROUP, DELETED = "kinds-streams", "kinds-share", "kinds-deleted"
RECORD_TYPES = {
    "__consumer_offsets": {1, 2, 3, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20, 21, 22, 23},
    "__share_group_state": {0, 1},
}
"""The types of the records that have to be there, of each one a value. Nobody writes values of the others any more."""

TOMBSTONES = {"__consumer_offsets": {*RECORD_TYPES["__consumer_offsets"], 4}, "__share_group_state": {0}}
"""The types of which there have to be tombstones; those of a snapshot are for the updates behind it, too."""

_LEAVE, _LEAVE_STATIC, _JOIN = -1, -2, 0
_ACCEPT, _RELEASE, _REJECT = 1, 2, 3
_GROUP_RESOURCE = 32


def create_topics(client: Client) -> None:
    """What the groups read. Raises Refused."""
    for topic in (TOPIC, SIDE_TOPIC):
        client.create_topic(topic, PARTITIONS, {})
    client.topics((TOPIC, SIDE_TOPIC))


def write(client: Client) -> list[Heartbeats]:
    """Let all of them live, and return members that are still there, one of each kind of group.

    Raises Refused, and AssertionError for one that does not come to where it should.
    """
    left = [_consumer_group(client)]
    _regex_group(client)
    _migrated_group(client)
    left += [_streams_group(client, group) for group in (DELETED, STREAMS_GROUP)][1:]
    return [*left, _share_groups(client)]


def topic_id(client: Client, name: str) -> bytes:
    """Raises StopIteration when there is no such topic."""
    topics = client.call(MetadataRequest(topics=None, allow_auto_topic_creation=False), 12).topics
    return next(bytes(topic.topic_id) for topic in topics if topic.name == name)


class Heartbeats:
    """The heartbeats of one member, whatever its kind of group."""

    def __init__(self, client: Client, make: Callable[..., Any], group: str, member_id: str, version: int) -> None:
        self._client, self._make, self._version = client, make, version
        self.group, self.member_id, self.epoch = group, member_id, _JOIN
        client.await_coordinator(group)

    def beat(self, **fields: Any) -> Any:
        """One request; the answer's epoch is the member's. Raises Refused."""
        request = self._make(group_id=self.group, member_id=self.member_id, member_epoch=self.epoch, **fields)

        def ask() -> Any:
            answer = self._client.call(request, self._version)
            check(answer.error_code, f"heartbeat of {self.member_id} in {self.group}", answer.error_message)
            return answer

        answer = self._client.retrying(ask)
        self.epoch = answer.member_epoch
        return answer

    def at(self, client: Client) -> Heartbeats:
        """The same member, at another broker."""
        moved = Heartbeats(client, self._make, self.group, self.member_id, self._version)
        moved.epoch = self.epoch
        return moved

    def leave(self, *, as_static: bool = False, **fields: Any) -> None:
        self.epoch = _LEAVE_STATIC if as_static else _LEAVE
        self.beat(**fields)


def _consumer(client: Client, group: str, member_id: str) -> Heartbeats:
    return Heartbeats(client, ConsumerGroupHeartbeatRequest, group, member_id, 1)


def _consumer_group(client: Client) -> Heartbeats:
    """Two share the topics, one of them by an instance id, which it keeps while it is away; a third one leaves."""
    joining = {"rebalance_timeout_ms": 60_000, "subscribed_topic_names": [TOPIC, SIDE_TOPIC], "topic_partitions": []}
    one, two, three = (_consumer(client, CONSUMER_GROUP, name) for name in ("one", "two", "three"))
    first = one.beat(**joining, server_assignor="uniform", rack_id="rack \u0436")
    two.beat(**joining, instance_id="instance")
    has = {bytes(part.topic_id): part.partitions for part in first.assignment.topic_partitions}

    def is_shared() -> bool:
        """The first one gives back what it is told to; then the second one gets it."""
        told = one.beat(topic_partitions=[OwnedPartitions(topic_id=t, partitions=p) for t, p in has.items()])
        if told.assignment is not None:
            has.clear()
            has.update({bytes(part.topic_id): part.partitions for part in told.assignment.topic_partitions})
        given = two.beat(topic_partitions=[], instance_id="instance").assignment
        return given is not None and sum(len(part.partitions) for part in given.topic_partitions) == PARTITIONS

    wait_until(is_shared, f"the members of {CONSUMER_GROUP} to share {TOPIC}")
    three.beat(**joining)
    three.leave()
    offsets = {0: (1, 0, "by a member"), 1: (2, -1, None)}
    client.commit(CONSUMER_GROUP, TOPIC, offsets, member=("one", one.epoch), version=9)
    forgotten = OffsetDeleteRequestTopic(name=TOPIC, partitions=[OffsetDeleteRequestPartition(partition_index=1)])
    client.commit(DELETED, TOPIC, {0: (1, 0, ""), 1: (2, 0, "")})
    answer = client.call(OffsetDeleteRequest(group_id=DELETED, topics=[forgotten]), 0)
    check(answer.error_code, f"delete offsets of {DELETED}")
    two.leave(as_static=True, instance_id="instance")
    return one


def _regex_group(client: Client) -> None:
    """An expression is resolved behind the member's back, and forgotten with it."""
    for name, lasts in (("one", False), ("two", True)):
        member = _consumer(client, REGEX_GROUP, name)
        expression = "kinds.*" if lasts else "kinds|others"
        member.beat(rebalance_timeout_ms=60_000, subscribed_topic_regex=expression, topic_partitions=[])
        wait_until(
            lambda member=member: member.beat(topic_partitions=[]).assignment is not None,  # type: ignore[misc]
            f"what {expression} comes to",
        )
        if not lasts:
            member.leave()


def _migrated_group(client: Client) -> None:
    """A classic member, then one of the new protocol, which leaves again; in a second group it stays."""
    for group, lasts in ((MIGRATED_GROUP, True), (f"{MIGRATED_GROUP}-back", False)):
        members.join(client, group, TOPIC)
        member = _consumer(client, group, "newcomer")
        member.beat(rebalance_timeout_ms=60_000, subscribed_topic_names=[TOPIC], topic_partitions=[])
        if not lasts:
            member.leave()
    left = members.join(client, DELETED, TOPIC)
    answer = client.call(LeaveGroupRequest(group_id=DELETED, member_id=left.member_id), 2)
    check(answer.error_code, f"leave {DELETED}")
    _delete_group(client, DELETED)


def _delete_group(client: Client, group: str) -> None:
    (answer,) = client.call(DeleteGroupsRequest(groups_names=[group]), 2).results
    check(answer.error_code, f"delete {group}")


def _topology(group: str) -> Topology:
    """Two topics that are read together, a repartition topic between two subtopologies, and a store."""
    repartition, changelog = f"{group}-words-repartition", f"{group}-counts-changelog"
    compacted = [KeyValue(key="cleanup.policy", value="compact")]
    nothing: dict[str, Any] = {
        "source_topics": [],
        "source_topic_regex": [],
        "state_changelog_topics": [],
        "repartition_sink_topics": [],
        "repartition_source_topics": [],
        "copartition_groups": [],
    }
    together = CopartitionGroup(source_topics=[0, 1], source_topic_regex=[], repartition_source_topics=[])
    reads = {"source_topics": [TOPIC, SIDE_TOPIC], "repartition_sink_topics": [repartition]}
    counts = {
        "state_changelog_topics": [
            TopicInfo(name=changelog, partitions=0, replication_factor=1, topic_configs=compacted)
        ],
        "repartition_source_topics": [
            TopicInfo(name=repartition, partitions=2, replication_factor=0, topic_configs=[])
        ],
    }
    first = Subtopology(subtopology_id="0", **(nothing | reads | {"copartition_groups": [together]}))
    return Topology(epoch=0, subtopologies=[first, Subtopology(subtopology_id="1", **(nothing | counts))])


def _streams_group(client: Client, group: str) -> Heartbeats:
    """One member with all tasks, in a process that can be reached; another one comes and leaves."""
    joining: dict[str, Any] = {
        "endpoint_information_epoch": 0,
        "rebalance_timeout_ms": 60_000,
        "topology": _topology(group),
        "active_tasks": [],
        "standby_tasks": [],
        "warmup_tasks": [],
        "rack_id": "rack",
        "client_tags": [KeyValue(key="zone", value="\u0436")],
    }
    one, two = (Heartbeats(client, StreamsGroupHeartbeatRequest, group, name, 0) for name in ("one", "two"))
    endpoint = Endpoint(host="localhost", port=65_000)
    has: list[TaskIds] = []

    def has_tasks() -> bool:
        said = {} if one.epoch == _JOIN else {"active_tasks": has, "standby_tasks": [], "warmup_tasks": []}
        fields = joining if one.epoch == _JOIN else {"endpoint_information_epoch": 0} | said
        answer = one.beat(**fields, process_id="process-one", user_endpoint=endpoint)
        has[:] = [TaskIds(subtopology_id=t.subtopology_id, partitions=t.partitions) for t in answer.active_tasks or []]
        return bool(has)

    wait_until(has_tasks, f"the tasks of {group}")
    two.beat(**joining, process_id="process-two")
    two.leave(endpoint_information_epoch=0)
    client.commit(group, TOPIC, {2: (3, 0, "of a task")}, member=("one", one.epoch), version=9)
    if group == DELETED:
        one.leave(endpoint_information_epoch=0)
        _delete_group(client, group)
    return one


def _share_groups(client: Client) -> Heartbeats:
    """One group goes on with what is not done yet; another one is deleted, with its states."""
    for partition in range(PARTITIONS):
        records = [(START_MS, b"key", b"record %d" % number, ()) for number in range(12)]
        client.produce(TOPIC, partition, bytes(build_batch(records)))
    shared = topic_id(client, TOPIC)
    for group in (DELETED, SHARE_GROUP):
        _begin_at_the_start(client, group)
        one = Heartbeats(client, ShareGroupHeartbeatRequest, group, "one-of-the-sharing-ones", 1)
        two = Heartbeats(client, ShareGroupHeartbeatRequest, group, "two-of-the-sharing-ones", 1)
        joined = [one.beat(subscribed_topic_names=[TOPIC], rack_id="rack")]
        wait_until(
            lambda one=one, joined=joined: _is_given(one, joined),  # type: ignore[misc]
            f"the partitions of {group}",
        )
        two.beat(subscribed_topic_names=[TOPIC])
        two.leave()
        say_of_each(client, one, shared)
        if group == DELETED:
            one.leave()
            _delete_group(client, group)
    return one


def _is_given(member: Heartbeats, answers: list[Any]) -> bool:
    """Whether one of its answers had partitions in it; asks once more if not."""
    if any(answer.assignment is not None and answer.assignment.topic_partitions for answer in answers):
        return True
    answers.append(member.beat())
    return False


def _begin_at_the_start(client: Client, group: str) -> None:
    setting = AlterableConfig(name="share.auto.offset.reset", config_operation=0, value="earliest")
    resource = AlterConfigsResource(resource_type=_GROUP_RESOURCE, resource_name=group, configs=[setting])
    (answer,) = client.call(IncrementalAlterConfigsRequest(resources=[resource], validate_only=False), 1).responses
    check(answer.error_code, f"settings of {group}", answer.error_message)


def say_of_each(client: Client, member: Heartbeats, topic: bytes) -> None:
    """Acquire everything, and say something else of each record, a few at a time."""
    session = ShareSession(client, member, topic)
    wait_until(lambda: session.fetch() == set(range(PARTITIONS)), f"the records of {member.group}")
    for first, kinds in ((0, [_ACCEPT]), (2, [_RELEASE]), (4, [_REJECT]), (6, [_ACCEPT, _RELEASE]), (9, [_ACCEPT])):
        session.fetch(AcknowledgementBatch(first_offset=first, last_offset=first + 1, acknowledge_types=kinds))


NOT_DONE = {2, 3, 7, 8, 11}
"""The offsets of each partition that are left after that: released, or not spoken of."""


class ShareSession:
    """A share session of a member over all partitions of the topic."""

    def __init__(self, client: Client, member: Heartbeats, topic: bytes) -> None:
        self._client, self._member, self._topic, self._epoch = client, member, topic, 0
        self.acquired: set[tuple[int, int]] = set()
        """(partition, offset) of all that this session got."""

    def fetch(self, *said: AcknowledgementBatch) -> set[int]:
        """One ShareFetch, with these acknowledgements for each partition; the partitions with records so far."""
        group = self._member.group
        parts = [FetchPartition(partition_index=p, acknowledgement_batches=list(said)) for p in range(PARTITIONS)]
        request = ShareFetchRequest(
            group_id=group,
            member_id=self._member.member_id,
            share_session_epoch=self._epoch,
            max_wait_ms=100,
            min_bytes=1,
            max_records=500,
            batch_size=500,
            topics=[FetchTopic(topic_id=self._topic, partitions=parts)],
            forgotten_topics_data=[],
        )
        answer = self._client.call(request, 2)
        check(answer.error_code, f"share fetch of {group}", answer.error_message)
        self._epoch += 1
        for part in (part for topic in answer.responses for part in topic.partitions):
            if part.error_code != ErrorCode.NOT_LEADER_OR_FOLLOWER:
                check(part.error_code, f"share fetch of {group}", part.error_message)
            check(part.acknowledge_error_code, f"acknowledgement of {group}", part.acknowledge_error_message)
            for got in part.acquired_records:
                offsets = range(got.first_offset, got.last_offset + 1)
                self.acquired |= {(part.partition_index, offset) for offset in offsets}
        return {partition for partition, _ in self.acquired}
