"""The controller's decisions, by script: see tests/scripts/controller_*.txt."""

from __future__ import annotations

from pathlib import Path

import pytest

from kwire.cluster.controller.changes import (
    Change,
    EntityConfigChanged,
    PartitionsAdded,
    PartitionsChanged,
    TopicCreated,
    TopicDeleted,
    TopicDeletionQueued,
    apply,
    operations,
)
from kwire.cluster.controller.core import ControllerCore, Decision, NewPartitions, NewTopic, TopicDefaults
from kwire.cluster.metadata_cache import BrokerImage, MetadataCache, PartitionImage
from kwire.cluster.store import Create, Operation, SetData
from tests.scripting import SCRIPTS, run


class CountingEntropy:
    """Topic ids 1, 2, 3...; placement starts where the script says."""

    def __init__(self) -> None:
        self.ids = 0
        self.start_index = 0
        self.shift = 0
        self._asked = 0

    def topic_id(self) -> bytes:
        self.ids += 1
        return self.ids.to_bytes(16, "big")

    def below(self, bound: int) -> int:
        self._asked += 1
        return (self.start_index, self.shift)[(self._asked - 1) % 2] % bound


class Machine:
    """Reads a block: the first line is the command, further lines its items."""

    def __init__(self) -> None:
        self.cluster = MetadataCache()
        self.core = ControllerCore(self.cluster)
        self.entropy = CountingEntropy()
        self.defaults = TopicDefaults(1, 1)
        self.unclean = False
        self.show_writes = False

    def say(self, lines: list[str]) -> list[str]:
        command, *words = lines[0].split()
        items = lines[1:]
        if command == "set":
            return self._set(dict(word.split("=") for word in words))
        if command == "brokers":
            return self._brokers(words)
        if command in ("create", "validate"):
            topics = [self._new_topic(item) for item in items]
            decision = self.core.create_topics(topics, self.defaults, self.entropy)
            return self._decided(decision, effective=command == "create")
        if command == "grow":
            grown = [self._new_partitions(item) for item in items]
            return self._decided(self.core.create_partitions(grown))
        if command == "delete":
            return self._delete(words)
        assert command == "stopped"
        changes = self.core.topic_stopped(words[0])
        del self.core.deleting[words[0]]
        return self._changes(changes)

    def _set(self, values: dict[str, str]) -> list[str]:
        for name, value in values.items():
            if name == "start":
                self.entropy.start_index = int(value)
            elif name == "shift":
                self.entropy.shift = int(value)
            elif name == "partitions":
                self.defaults = self.defaults._replace(partition_count=int(value))
            elif name == "rf":
                self.defaults = self.defaults._replace(replication_factor=int(value))
            elif name == "lowered":
                self.defaults = self.defaults._replace(factor_is_lowered=value == "yes")
            elif name == "unclean":
                self.unclean = value == "yes"
            else:
                assert name == "writes"
                self.show_writes = value == "yes"
        return ["ok"]

    def _brokers(self, words: list[str]) -> list[str]:
        live = []
        for word in words:
            broker_id, _, rack = word.partition("@")
            live.append(BrokerImage(int(broker_id), [], rack or None, epoch=0))
        changes = self.core.brokers_changed(live, unclean_by_default=self.unclean)
        self.cluster.set_brokers(live)
        return self._changes(changes) or ["nothing changes"]

    def _delete(self, names: list[str]) -> list[str]:
        decision = self.core.delete_topics(names)
        for result in decision.results:
            if result.topic is not None:
                self.core.deleting[result.name] = result.topic
        return self._decided(decision)

    @staticmethod
    def _new_topic(item: str) -> NewTopic:
        name, *words = item.split()
        name = "" if name == '""' else name.replace("<space>", " ").replace("<249>", "x" * 249)
        name = name.replace("<250>", "x" * 250)
        new = NewTopic(name)
        overrides: dict[str, str | None] = {}
        assignments = []
        for word in words:
            key, _, value = word.partition("=")
            if key == "partitions":
                new = new._replace(partition_count=int(value))
            elif key == "rf":
                new = new._replace(replication_factor=int(value))
            elif key.isdigit():
                assignments.append((int(key), [int(part) for part in value.split(",") if part]))
            else:
                overrides[key] = None if value == "null" else value
        return new._replace(overrides=overrides, assignments=assignments)

    @staticmethod
    def _new_partitions(item: str) -> NewPartitions:
        name, count, *assigned = item.split()
        replicas = [[int(part) for part in word.split(",")] for word in assigned]
        return NewPartitions(name, int(count.partition("=")[2]), replicas or None)

    def _decided(self, decision: Decision, *, effective: bool = True) -> list[str]:
        trace = []
        for result in decision.results:
            name = result.name if len(result.name) < 50 else f"{result.name[0]}*{len(result.name)}"
            said = "ok" if result.error is None else f"{result.error.code.name}: {result.error.message}"
            trace.append(f"{name!r}: {said.replace(result.name, name) if result.name else said}")
        if effective:
            trace += self._changes(decision.changes)
        return trace

    def _changes(self, changes: list[Change]) -> list[str]:
        trace = []
        for change in changes:
            trace += _shown(change)
            if self.show_writes:
                trace += [f"    {_written(operation)}" for operation in operations(change, 7)]
        for change in changes:
            apply(change, self.cluster)
        return trace


def _shown(change: Change) -> list[str]:
    if isinstance(change, TopicCreated):
        topic = change.topic
        rows = [f"  created {topic.name[:20]} id {int.from_bytes(topic.topic_id, 'big')} {topic.overrides}"]
        return rows + [f"    {_partition(partition)}" for partition in topic.partitions]
    if isinstance(change, PartitionsAdded):
        return [f"  added to {change.topic.name}", *(f"    {_partition(partition)}" for partition in change.added)]
    if isinstance(change, PartitionsChanged):
        return [f"  changed in {change.topic.name}", *(f"    {_partition(partition)}" for partition in change.changed)]
    if isinstance(change, TopicDeletionQueued):
        return [f"  queued for deletion {change.name}"]
    if isinstance(change, TopicDeleted):
        return [f"  deleted {change.name}"]
    assert isinstance(change, EntityConfigChanged)
    return [f"  config of {change.name}"]


def _partition(partition: PartitionImage) -> str:
    return (
        f"{partition.index}: leader {partition.leader} epoch {partition.leader_epoch}/{partition.partition_epoch} "
        f"replicas {partition.replicas} isr {partition.isr}"
    )


def _written(operation: Operation) -> str:
    kind = type(operation).__name__
    if isinstance(operation, Create | SetData):
        version = f" if version {operation.version}" if isinstance(operation, SetData) else ""
        return f"{kind} {operation.path} {(operation.data or b'null').decode()}{version}"
    return f"{kind} {operation.path}"


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("controller_*.txt")), ids=lambda path: path.stem)
def test_controller_script(path: Path) -> None:
    run(path, Machine().say)
