"""Topics for scripts of consumer groups, and how partitions and records are written in a trace (`t:0,1 u:0`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from kwire.coord.records import CoordinatorRecord
from kwire.wire.messages import consumer_group_records as wire


class TopicForTests(NamedTuple):
    """A topic whose id is its name and the number of its incarnation."""

    name: str
    topic_id: bytes
    partitions: Sequence[int]


class TopicsForTests:
    """A `TopicDirectory` whose topics come and go."""

    def __init__(self) -> None:
        self.topics: dict[str, TopicForTests] = {}
        self.topics_version = 0
        self.new_topics_version = 0
        self.racks: dict[str, list[list[str]]] = {}
        self._names: dict[bytes, str] = {}

    def put(self, name: str, partition_count: int) -> None:
        """Create, grow, or (with no partitions) delete a topic."""
        self.topics_version += 1
        if not partition_count:
            self.topics.pop(name)
            return
        known = self.topics.get(name)
        topic_id = known.topic_id if known else f"{name}{self.topics_version}".encode().ljust(16, b".")
        if known is None:
            self.new_topics_version = self.topics_version
        self._names[topic_id] = name
        self.topics[name] = TopicForTests(name, topic_id, range(partition_count))

    def topic_by_id(self, topic_id: bytes) -> TopicForTests | None:
        topic = self.topics.get(self._names.get(topic_id, ""))
        return topic if topic is not None and topic.topic_id == topic_id else None

    def partition_racks(self, topic: str) -> list[list[str]]:
        return self.racks.get(topic, [[] for _ in self.topics[topic].partitions])

    def read(self, text: str) -> dict[bytes, set[int]]:
        """Partitions by topic id, of a text like `t:0,1;u:0`; `-` is none."""
        return {self.topics[name].topic_id: set(numbers) for name, numbers in self.read_names(text).items()}

    def read_names(self, text: str) -> dict[str, list[int]]:
        """Partitions by topic name."""
        parts = [part.split(":") for part in text.split(";") if part not in ("", "-")]
        return {name: [int(number) for number in numbers.split(",")] for name, numbers in parts}

    def show(self, partitions: Mapping[bytes, Iterable[int]]) -> str:
        """The text of partitions by topic id."""
        named = sorted((self._names[topic_id], sorted(numbers)) for topic_id, numbers in partitions.items())
        return ";".join(f"{name}:{','.join(map(str, numbers))}" for name, numbers in named) or "-"

    def show_messages(self, messages: Iterable[Any]) -> str:
        """The text of partitions as messages name them."""
        return self.show({message.topic_id: message.partitions for message in messages})


def show_consumer_record(record: CoordinatorRecord, topics: TopicsForTests) -> str:
    """One record of a consumer group on one line."""
    key, value = record
    member = getattr(key, "member_id", getattr(key, "regular_expression", ""))
    kind = type(key).__name__.removeprefix("ConsumerGroup").removesuffix("Key")
    where = " ".join(part for part in (kind, key.group_id, member) if part)
    if value is None:
        return f"{where} tombstone"
    if isinstance(value, wire.ConsumerGroupMetadataValue):
        return f"{where} epoch={value.epoch}"
    if isinstance(value, wire.ConsumerGroupTargetAssignmentMetadataValue):
        return f"{where} epoch={value.assignment_epoch}"
    if isinstance(value, wire.ConsumerGroupTargetAssignmentMemberValue):
        return f"{where} {topics.show_messages(value.topic_partitions)}"
    if isinstance(value, wire.ConsumerGroupCurrentMemberAssignmentValue):
        pending = topics.show_messages(value.partitions_pending_revocation)
        gives = "" if pending == "-" else f" gives={pending}"
        epochs = f"{value.member_epoch} (was {value.previous_member_epoch})"
        return f"{where} {epochs} state={value.state} has={topics.show_messages(value.assigned_partitions)}{gives}"
    if isinstance(value, wire.ConsumerGroupRegularExpressionValue):
        return f"{where} {','.join(value.topics) or '-'}"
    said = " ".join(
        f"{name}={text}"
        for name, text in (
            ("instance", value.instance_id),
            ("topics", ",".join(value.subscribed_topic_names)),
            ("regex", value.subscribed_topic_regex),
            ("assignor", value.server_assignor),
            ("classic", value.classic_member_metadata and value.classic_member_metadata.session_timeout_ms),
        )
        if text
    )
    return f"{where} {said}"
