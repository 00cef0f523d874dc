"""The controller over a store: decisions are written whole, led, shown; a restart finds and finishes everything."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path

import pytest

from kwire.clock import ManualClock
from kwire.cluster.controller.config_alteration import EntityAlteration, OptionAlteration
from kwire.cluster.controller.core import NewPartitions, NewTopic
from kwire.cluster.controller.leadership import PartitionAssignment
from kwire.cluster.embedded_store import EmbeddedStore
from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition
from tests.cluster.node import Node


def image_of(node: Node) -> dict[str, tuple[bytes, dict[str, str], list[object]]]:
    return {
        name: (topic.topic_id, topic.overrides, list(topic.partitions)) for name, topic in node.cache.topics.items()
    }


def test_the_first_controller() -> None:
    async def scenario() -> None:
        node = await Node().start()
        assert node.controller.is_active
        assert node.controller.epoch == 1
        nodes = node.store.tree.nodes
        assert (nodes["/controller_epoch"].data, nodes["/controller_epoch"].version) == (b"1", 1)
        assert nodes["/controller"].ephemeral_owner == node.session.session_id
        assert nodes["/feature"].data == b'{"features":{},"version":2,"status":1}'
        assert list(node.cache.brokers) == [1]

    asyncio.run(scenario())


def test_everything_is_found_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "m.db"
        node = await Node.at(path).start()
        await node.controller.create_topics([NewTopic("t", 3, overrides={"retention.ms": "5"}), NewTopic("gone")])
        await node.controller.create_partitions([NewPartitions("t", 4)])
        await node.controller.delete_topics(["gone"])
        await node.controller.alter_configs(
            [
                EntityAlteration("topics", "t", [OptionAlteration("segment.ms", 0, "6")]),
                EntityAlteration("brokers", "<default>", [OptionAlteration("log.retention.ms", 0, "7")]),
            ]
        )
        before = image_of(node)
        assert before["t"][1] == {"retention.ms": "5", "segment.ms": "6"}
        node.store.close()
        again = await Node.at(path).start()
        assert image_of(again) == before
        assert again.controller.epoch == 2
        assert again.options.get("log.retention.ms") == 7
        assert [(order.topic, order.partition, order.is_new) for order in again.leadership.applied] == [
            ("t", index, False) for index in range(4)
        ]
        assert again.leadership.applied[0].overrides == before["t"][1]
        again.store.close()

    asyncio.run(scenario())


def test_a_topic_is_written_in_one_transaction() -> None:
    async def scenario() -> None:
        node = await Node().start()
        zxid = node.store.tree.zxid
        await node.controller.create_topics([NewTopic("t", 500), NewTopic("u", 10)])
        assert node.store.tree.zxid == zxid + 1

    asyncio.run(scenario())


def test_a_client_that_leaves_stops_nothing_half_way() -> None:
    async def scenario() -> None:
        node = await Node().start()
        gate = asyncio.Event()
        apply = node.leadership.apply

        async def slow_apply(assignments: Iterable[PartitionAssignment]) -> None:
            await gate.wait()
            await apply(assignments)

        node.leadership.apply = slow_apply  # type: ignore[method-assign]  # a broker whose disk is slow
        creating = asyncio.ensure_future(node.controller.create_topics([NewTopic("t")]))
        await asyncio.sleep(0.001)
        assert "t" not in node.cache.topics  # Not shown before it is led.
        creating.cancel()
        with pytest.raises(asyncio.CancelledError):
            await creating
        gate.set()
        (result,) = await node.controller.create_topics([NewTopic("t")])
        assert result.error is not None
        assert result.error.code is ErrorCode.TOPIC_ALREADY_EXISTS
        assert [order.topic for order in node.leadership.applied] == ["t"]

    asyncio.run(scenario())


def test_a_deletion_is_finished_after_a_restart(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "m.db"
        node = await Node.at(path).start()
        await node.controller.create_topics([NewTopic("t", 2)])
        node.leadership.failing = True
        with pytest.raises(OSError, match="input/output"):
            await node.controller.delete_topics(["t"])
        assert "t" not in node.cache.topics
        node.leadership.failing = False
        (result,) = await node.controller.create_topics([NewTopic("t")])
        assert result.error is not None
        assert result.error.code is ErrorCode.TOPIC_ALREADY_EXISTS
        node.store.close()
        again = await Node.at(path).start()
        assert again.cache.topics == {}
        # The replicas are taken over without a leader first, so that there is something to delete.
        assert [(order.topic, order.partition, order.leader) for order in again.leadership.applied] == [
            ("t", 0, -1),
            ("t", 1, -1),
        ]
        assert again.leadership.stopped == [TopicPartition("t", 0), TopicPartition("t", 1)]
        left = [path for path in again.store.tree.nodes if "/t" in path and not path.startswith("/brokers/topics")]
        assert [path for path in left if path.endswith("/t")] == []
        assert again.store.tree.nodes["/brokers/topics"].children == set()
        (result,) = await again.controller.create_topics([NewTopic("t")])
        assert result.error is None
        again.store.close()

    asyncio.run(scenario())


def test_a_deletion_that_an_operator_queued_by_hand() -> None:
    async def scenario() -> None:
        store = EmbeddedStore(None, ManualClock())
        first = await Node(store=store).start()
        await first.controller.create_topics([NewTopic("t")])
        await first.session.create("/admin/delete_topics/t")
        await first.session.create("/admin/delete_topics/never-was")
        await first.session.close()
        second = await Node(store=store).start()
        assert second.cache.topics == {}
        assert await second.session.children("/admin/delete_topics") == []

    asyncio.run(scenario())


def test_a_log_that_cannot_be_made_leaves_the_topic_known() -> None:
    async def scenario() -> None:
        node = await Node().start()
        node.leadership.failing = True
        with pytest.raises(OSError, match="no space"):
            await node.controller.create_topics([NewTopic("t")])
        assert "t" in node.cache.topics
        assert "/brokers/topics/t" in node.store.tree.nodes

    asyncio.run(scenario())


def test_settings_left_over_from_another_life_are_replaced() -> None:
    async def scenario() -> None:
        node = await Node().start()
        await node.session.create("/config/topics/t", b'{"version":1,"config":{"retention.ms":"1"}}')
        (result,) = await node.controller.create_topics([NewTopic("t")])
        assert result.error is None
        assert node.store.tree.nodes["/config/topics/t"].data == b'{"version":1,"config":{}}'
        await node.session.delete("/config/topics/t")
        outcome = await node.controller.alter_configs(
            [EntityAlteration("topics", "t", [OptionAlteration("retention.ms", 0, "9")])]
        )
        assert outcome == [None]
        assert node.store.tree.nodes["/config/topics/t"].data == b'{"version":1,"config":{"retention.ms":"9"}}'

    asyncio.run(scenario())


def test_auto_creation_and_internal_topics() -> None:
    async def scenario() -> None:
        node = await Node({"num.partitions": "2"}).start()
        results = await node.controller.auto_create(["a", "b b", "__transaction_state"])
        assert [result.error is None for result in results] == [True, False, True]
        assert len(node.cache.topics["a"].partitions) == 2
        state = node.cache.topics["__transaction_state"]
        assert len(state.partitions) == 50
        assert state.overrides == {
            "compression.type": "uncompressed",
            "cleanup.policy": "compact",
            "min.insync.replicas": "1",
            "segment.bytes": "104857600",
            "unclean.leader.election.enable": "false",
        }
        (again,) = await node.controller.auto_create(["a"])
        assert again.topic is node.cache.topics["a"]
        offsets = await node.controller.ensure_internal_topic("__consumer_offsets")
        assert offsets is await node.controller.ensure_internal_topic("__consumer_offsets")

    asyncio.run(scenario())


def test_an_internal_topic_that_needs_more_brokers() -> None:
    async def scenario() -> None:
        node = await Node({"offsets.topic.replication.factor": "3", "kwire.lower.replication.factor": "false"}).start()
        with pytest.raises(KafkaError) as refused:
            await node.controller.ensure_internal_topic("__consumer_offsets")
        assert refused.value.code is ErrorCode.INVALID_REPLICATION_FACTOR

    asyncio.run(scenario())


def test_a_topic_for_three_brokers_on_one(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        node = await Node({"default.replication.factor": "2"}).start()
        with caplog.at_level(logging.INFO, "kwire.cluster"):
            await node.controller.create_topics([NewTopic("three", 1, 3), NewTopic("default"), NewTopic("one", 1, 1)])
        assert [len(node.cache.topics[name].partitions[0].replicas) for name in ("three", "default", "one")] == [1] * 3
        assert [record.getMessage() for record in caplog.records] == [
            "The topic 'three' gets 1 replicas instead of 3: there are no more brokers.",
            "The topic 'default' gets 1 replicas instead of 2: there are no more brokers.",
        ]
        (zero,) = await node.controller.create_topics([NewTopic("zero", 2, 0)])
        assert zero.error is not None
        assert zero.error.code is ErrorCode.INVALID_REPLICATION_FACTOR
        (named,) = await node.controller.create_topics([NewTopic("named", -1, -1, [(0, [1, 2])])])
        assert named.error is not None
        assert named.error.code is ErrorCode.INVALID_REPLICA_ASSIGNMENT

    asyncio.run(scenario())


def test_a_deposed_controller_writes_nothing() -> None:
    async def scenario() -> None:
        node = await Node().start()
        await node.session.set("/controller_epoch", b"2")  # Somebody else was elected.
        before = sorted(node.store.tree.nodes)
        with pytest.raises(KafkaError) as refused:
            await node.controller.create_topics([NewTopic("t")])
        assert refused.value.code is ErrorCode.NOT_CONTROLLER
        assert sorted(node.store.tree.nodes) == before
        assert node.cache.topics == {}
        with pytest.raises(KafkaError):
            await node.controller.delete_topics(["t"])

    asyncio.run(scenario())


def test_a_store_that_fails_is_a_storage_error(tmp_path: Path) -> None:
    async def scenario() -> None:
        node = await Node.at(tmp_path / "m.db").start()
        database = node.store._database
        assert database is not None
        database.execute("PRAGMA query_only=1")
        with pytest.raises(KafkaError) as refused:
            await node.controller.create_topics([NewTopic("t")])
        assert refused.value.code is ErrorCode.KAFKA_STORAGE_ERROR
        assert node.cache.topics == {}
        database.execute("PRAGMA query_only=0")
        (result,) = await node.controller.create_topics([NewTopic("t")])
        assert result.error is None
        node.store.close()

    asyncio.run(scenario())


def test_brokers_come_and_go() -> None:
    async def scenario() -> None:
        store = EmbeddedStore(None, ManualClock())
        first = await Node(store=store).start()
        second = await Node(broker_id=2, store=store).start()
        await asyncio.sleep(0.001)
        assert list(first.cache.brokers) == [1, 2]
        assert (second.controller.is_active, second.cache.controller_id) == (False, 1)
        await first.controller.create_topics(
            [NewTopic("t", assignments=[(0, [2, 1])]), NewTopic("u", assignments=[(0, [2])])]
        )
        await second.session.close()
        await asyncio.sleep(0.001)
        (shared,), (alone,) = (first.cache.topics[name].partitions for name in ("t", "u"))
        assert (shared.leader, shared.isr, shared.leader_epoch) == (1, [1], 1)
        assert (alone.leader, alone.isr, alone.leader_epoch) == (-1, [2], 1)
        state = store.tree.nodes["/brokers/topics/u/partitions/0/state"]
        assert state.data == b'{"controller_epoch":1,"leader":-1,"version":1,"leader_epoch":1,"isr":[2]}'
        assert state.version == alone.partition_epoch == 1
        assert [order.leader for order in first.leadership.applied] == [2, 2, 1, -1]

    asyncio.run(scenario())


def test_another_broker_takes_over() -> None:
    async def scenario() -> None:
        store = EmbeddedStore(None, ManualClock())
        first = await Node(store=store).start()
        second = await Node(broker_id=2, store=store).start()
        await asyncio.sleep(0.001)
        await first.controller.create_topics([NewTopic("t", assignments=[(0, [1, 2])])])
        await first.controller.stop()
        await first.session.close()
        await asyncio.sleep(0.001)
        assert second.controller.is_active
        assert second.controller.epoch == 2
        (partition,) = second.cache.topics["t"].partitions
        assert (partition.leader, partition.isr) == (2, [2])
        (result,) = await second.controller.create_topics([NewTopic("u")])
        assert result.error is None

    asyncio.run(scenario())


def test_what_cannot_be_read_is_left_out_and_the_rest_is_served() -> None:
    async def scenario() -> None:
        store = EmbeddedStore(None, ManualClock())
        first = await Node(store=store).start()
        await first.controller.create_topics([NewTopic("good"), NewTopic("half", 2), NewTopic("bad")])
        await first.session.set("/brokers/topics/bad", b"nonsense")
        await first.session.set("/brokers/topics/half/partitions/1/state", b"nonsense")
        await first.session.create("/brokers/ids/7", b"nonsense", ephemeral=True)
        await first.session.delete("/brokers/ids/1")
        second = await Node(store=store, broker_id=1).start()
        assert second.cache.controller_id == 1
        assert sorted(second.cache.topics) == ["good", "half"]
        assert [row.leader for row in second.cache.topics["half"].partitions] == [1, -1]
        assert list(second.cache.brokers) == [1]

    asyncio.run(scenario())
