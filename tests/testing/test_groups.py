"""Consumer groups as a stock client sees them: who gets what when members come, go, crash and come back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from confluent_kafka import (
    Consumer,
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic

from kwire.testing.broker import KwireBroker

Assignments = list[set[tuple[str, int]]]

PATIENCE_S = 20


@pytest.fixture
def kwire_options() -> dict[str, str]:
    return {"group.min.session.timeout.ms": "100"}


@pytest.fixture
def admin(kwire_broker: KwireBroker) -> AdminClient:
    admin = AdminClient({"bootstrap.servers": kwire_broker.bootstrap_servers})
    create(admin, t=6, u=2)
    return admin


def create(admin: AdminClient, **partition_counts: int) -> None:
    """Topics with so many partitions each."""
    for future in admin.create_topics([NewTopic(name, count) for name, count in partition_counts.items()]).values():
        future.result(PATIENCE_S)


@contextmanager
def members(broker: KwireBroker, count: int, *topics: str, **config: object) -> Iterator[list[Consumer]]:
    """So many consumers of group `g`, closed in the end."""
    with ExitStack() as stack:
        consumers = []
        for number in range(count):
            own = {name.replace("_", "."): value for name, value in config.items()}
            if "group.instance.id" in own:
                own["group.instance.id"] = f"{own['group.instance.id']}{number}"
            consumers.append(member(broker, *topics, **own))
            stack.callback(consumers[-1].close)
        yield consumers


def member(broker: KwireBroker, *topics: str, **config: object) -> Consumer:
    """One consumer of group `g`; `config` may have underscores for dots."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap_servers,
            "group.id": "g",
            "enable.auto.commit": False,
            "heartbeat.interval.ms": 50,
            "topic.metadata.refresh.interval.ms": 100,
            **{name.replace("_", "."): value for name, value in config.items()},
        }
    )
    consumer.subscribe(list(topics))
    return consumer


def settle(consumers: list[Consumer], wanted: Callable[[Assignments], bool]) -> Assignments:
    """Poll all until their assignments are as wanted."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        for consumer in consumers:
            consumer.poll(0.005)
        assignments = [{(p.topic, p.partition) for p in consumer.assignment()} for consumer in consumers]
        if wanted(assignments):
            return assignments
        assert time.monotonic() < deadline, assignments


def shared(count: int, at_most: int) -> Callable[[Assignments], bool]:
    """All of `count` partitions are assigned, each once, and nobody has more than `at_most`."""

    def is_shared(assignments: Assignments) -> bool:
        sizes = [len(assignment) for assignment in assignments]
        return sum(sizes) == len(set().union(*assignments)) == count and max(sizes) <= at_most

    return is_shared


def test_one_of_three_leaves_and_one_crashes(kwire_broker: KwireBroker, admin: AdminClient) -> None:
    with members(kwire_broker, 3, "t", session_timeout_ms=400) as consumers:
        settle(consumers, shared(6, 2))
        leaver = consumers.pop()
        leaver.close()
        settle(consumers, shared(6, 3))
        # A static member does not leave when it is closed: to the group it has crashed.
        silent = member(kwire_broker, "t", session_timeout_ms=400, group_instance_id="silent")
        settle([*consumers, silent], shared(6, 2))
        silent.close()
        settle(consumers, shared(6, 3))


def test_a_static_member_that_comes_back_keeps_its_partitions(kwire_broker: KwireBroker, admin: AdminClient) -> None:
    with members(kwire_broker, 2, "t", group_instance_id="i", session_timeout_ms=10_000) as consumers:
        revoked: list[object] = []
        consumers[0].subscribe(["t"], on_revoke=lambda _, partitions: revoked.append(partitions))
        before = settle(consumers, shared(6, 3))
        revoked.clear()
        consumers[1].close()
        back = member(kwire_broker, "t", group_instance_id="i1", session_timeout_ms=10_000)
        after = settle([consumers[0], back], shared(6, 3))
        assert after == before
        assert revoked == []
        back.close()


def test_cooperative_members_share_two_topics(kwire_broker: KwireBroker, admin: AdminClient) -> None:
    sticky = {"partition_assignment_strategy": "cooperative-sticky"}
    with members(kwire_broker, 2, "t", "u", **sticky) as consumers:
        two = settle(consumers, shared(8, 4))
        consumers.append(member(kwire_broker, "t", "u", **sticky))
        three = settle(consumers, shared(8, 3))
        assert three[0] < two[0]
        assert three[1] < two[1]
        consumers[2].close()


def test_a_pattern_finds_topics_that_come_later_and_loses_those_that_go(
    kwire_broker: KwireBroker, admin: AdminClient
) -> None:
    with members(kwire_broker, 1, "^t.*") as consumers:
        settle(consumers, shared(6, 6))
        create(admin, t2=3)
        settle(consumers, shared(9, 9))
        admin.delete_topics(["t"])["t"].result(PATIENCE_S)
        settle(consumers, shared(3, 3))


def test_an_active_group_is_protected(kwire_broker: KwireBroker, admin: AdminClient) -> None:
    offsets = ConsumerGroupTopicPartitions("g", [TopicPartition("t", 0, 5)])

    def reset() -> KafkaError | None:
        result = admin.alter_consumer_group_offsets([offsets])["g"].result(PATIENCE_S)
        return result.topic_partitions[0].error

    def states() -> dict[str, ConsumerGroupState]:
        return {group.group_id: group.state for group in admin.list_consumer_groups().result(PATIENCE_S).valid}

    with members(kwire_broker, 2, "t") as consumers:
        settle(consumers, shared(6, 3))
        assert states() == {"g": ConsumerGroupState.STABLE}
        error = reset()
        assert error is not None
        assert error.code() == KafkaError.UNKNOWN_MEMBER_ID
        with pytest.raises(KafkaException, match="NON_EMPTY_GROUP"):
            admin.delete_consumer_groups(["g"])["g"].result(PATIENCE_S)
        described = admin.describe_consumer_groups(["g"])["g"].result(PATIENCE_S)
        assert described.partition_assignor == "range"
        assert sorted(len(m.assignment.topic_partitions) for m in described.members) == [3, 3]
    assert states() == {"g": ConsumerGroupState.EMPTY}
    assert reset() is None
    admin.delete_consumer_groups(["g"])["g"].result(PATIENCE_S)
    assert states() == {}


def test_a_member_of_the_past_cannot_commit(kwire_broker: KwireBroker, admin: AdminClient) -> None:
    commit = [TopicPartition("t", 0, 5)]
    # No heartbeat: if one was refused before the commit, the client would not even send that.
    static = {"group_instance_id": "i", "session_timeout_ms": 200_000, "heartbeat_interval_ms": 100_000}
    with members(kwire_broker, 1, "t", **static) as (former,):
        settle([former], shared(6, 6))
        former.commit(offsets=commit, asynchronous=False)
        latter = member(kwire_broker, "t", **{**static, "group_instance_id": "i0"})
        settle([latter], shared(6, 6))
        with pytest.raises(KafkaException, match="FENCED_INSTANCE_ID"):
            former.commit(offsets=[TopicPartition("t", 0, 1)], asynchronous=False)
        assert latter.committed(commit, timeout=PATIENCE_S)[0].offset == 5
        latter.close()
