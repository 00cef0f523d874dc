"""Scripts of Streams groups: the commands of `tests.coord.group.script`, and these.

`app SOURCE[+SOURCE..] key=value` describes what the members run from now on: `words` (the default) counts the words of
its sources over a repartition topic; `reads` only reads them; `joins` co-partitions them. `tick a` is a member's
heartbeat at the epoch that it was told last, `has=0:1,2;1:0` and `copies=1:0` are the active and standby tasks that it
says it has, `-` none; without them it does not say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kwire.config.broker_config import BrokerConfig
from kwire.coord.group.config import GroupConfig
from kwire.coord.group.shard import GroupShard
from kwire.coord.group.streams.coordinator import decide_heartbeat, describe_group, streams_groups
from kwire.coord.group.streams.groups import HeartbeatResult
from kwire.coord.group.streams.internal_topics import Status
from kwire.coord.group.streams.member import Requester
from kwire.coord.records import CoordinatorRecord
from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition
from kwire.wire.messages import streams_records as wire
from kwire.wire.messages.streams_group_heartbeat import (
    CopartitionGroup,
    Endpoint,
    StreamsGroupHeartbeatRequest,
    Subtopology,
    TaskIds,
    TopicInfo,
    Topology,
)
from kwire.wire.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from tests.coord.group.script import START_MS, Player


class StreamsPlayer(Player):
    """Plays commands on one shard with Kafka's defaults for its options, which `option NAME=VALUE` changes."""

    def __init__(self) -> None:
        super().__init__()
        broker = BrokerConfig({}, profile="kafka")
        self.options: dict[str, Any] = {}
        self.own_options: dict[str, dict[str, str]] = {}
        self.config = GroupConfig.from_options(
            lambda name: self.options.get(name, broker.get(name)), lambda group: self.own_options.get(group, {})
        )
        self.shard = GroupShard(self.config, self.topics)
        self.shard.on_loaded(self.now_ms)
        self.topology = word_count(["t"])
        self.endpoint_epochs: dict[str, int] = {}

    def _option(self, **options: str) -> None:
        for name, value in options.items():
            self.options[name] = int(value)

    def _group_option(self, group: str, **options: str) -> None:
        self.own_options[group] = options

    def _app(self, sources: str, kind: str = "words", epoch: str = "0", partitions: str = "0") -> None:
        names = sources.split("+")
        self.topology = {"words": word_count, "reads": reading, "joins": joining}[kind](names)
        self.topology.epoch = int(epoch)
        for part in self.topology.subtopologies:
            for info in part.repartition_source_topics:
                info.partitions = int(partitions)

    def _tick(
        self,
        who: str,
        group: str = "g",
        epoch: str | None = None,
        has: str | None = None,
        copies: str = "-",
        process: str | None = None,
        endpoint: str | None = None,
        rebalance: str | None = None,
        stop: str = "no",
    ) -> None:
        member_epoch = self.epochs.get(who, 0) if epoch is None else int(epoch)
        joins = member_epoch == 0
        says = joins or has is not None
        request = StreamsGroupHeartbeatRequest(
            group_id=group,
            member_id=who,
            member_epoch=member_epoch,
            endpoint_information_epoch=self.endpoint_epochs.get(who, 0),
            rebalance_timeout_ms=int(rebalance or (60_000 if joins else -1)),
            topology=self.topology if joins else None,
            active_tasks=task_messages(has or "-") if says else None,
            standby_tasks=task_messages(copies) if says else None,
            warmup_tasks=[] if says else None,
            process_id=process or (f"p{who}" if joins else None),
            user_endpoint=Endpoint(host=endpoint, port=80) if endpoint else None,
            shutdown_application=stop == "yes",
        )
        requester = Requester(who, f"/{who}")
        self._request(who, lambda key: decide_heartbeat(self.shard, request, requester, key, self.now_ms))

    def _txn_commit(self, who: str, spot: str, epoch: str = "-1", member: str | None = None, group: str = "g") -> None:
        place, offset = spot.split("@")
        topic, index = place.rsplit("-", 1)
        partition = TxnOffsetCommitRequestPartition(
            partition_index=int(index), committed_offset=int(offset), committed_metadata=None
        )
        request = TxnOffsetCommitRequest(
            transactional_id="x",
            group_id=group,
            producer_id=1,
            producer_epoch=0,
            generation_id=int(epoch),
            member_id=who if member is None else member,
            topics=[TxnOffsetCommitRequestTopic(name=topic, partitions=[partition])],
        )
        self.last_key += 1
        try:
            self.shard.commit_transactional_offsets(request, self.last_key, self.now_ms)
        except KafkaError as error:
            self.trace.append(f"{who} <- {error.code.name}")
            return
        self.trace.append(f"{who} <- taken into the transaction: {TopicPartition(topic, int(index))}")

    def _describe_streams(self, group: str = "g") -> None:
        described = describe_group(self.shard, group)
        if described.error_code:
            self.trace.append(f"{ErrorCode(described.error_code).name}: {described.error_message}")
            return
        self.trace.append(
            f"{described.group_state} epoch {described.group_epoch} assigned {described.assignment_epoch}"
        )
        for part in described.topology.subtopologies if described.topology else ():
            infos = [*part.repartition_source_topics, *part.state_changelog_topics]
            reads = ",".join(part.source_topics)
            topics = "".join(f" {info.name}:{info.partitions}" for info in infos)
            self.trace.append(f"{part.subtopology_id}: reads [{reads}]{topics}")
        for member in described.members:
            target = show_tasks(member.target_assignment.active_tasks, member.target_assignment.standby_tasks)
            has = show_tasks(member.assignment.active_tasks, member.assignment.standby_tasks)
            self.trace.append(f"{member.member_id}@{member.member_epoch} {member.process_id} has={has} target={target}")

    def _reload(self) -> None:
        super()._reload()
        for group in streams_groups(self.shard).groups.values():
            members = " ".join(f"{m.member_id}@{m.member_epoch}" for m in group.members.values())
            self.trace.append(f"{group.group_id}: {group.state} epoch {group.group_epoch} [{members}]")

    # What comes of them

    def _say(self, key: int, response: Any) -> None:
        if not isinstance(response, HeartbeatResult):
            super()._say(key, response)
            return
        who = self.waiting.pop(key, None)
        if who is None:
            return
        answer = response.response
        if answer.error_code:
            self.trace.append(f"{who} <- {ErrorCode(answer.error_code).name}: {answer.error_message}")
            return
        self.epochs[who] = max(answer.member_epoch, 0)
        self.endpoint_epochs[who] = answer.endpoint_information_epoch
        has = "" if answer.active_tasks is None else f" {show_tasks(answer.active_tasks, answer.standby_tasks or [])}"
        self.trace.append(f"{who} <- epoch {answer.member_epoch}{has}")
        for status in answer.status or ():
            self.trace.append(f"  {Status(status.status_code).name}: {status.status_detail}")
        for topic in response.missing_topics:
            self.trace.append(f"  create {topic.name} {topic.partitions} {dict(topic.configs)}")
        for told in answer.partitions_by_user_endpoint or ():
            active = " ".join(f"{part.topic}:{part.partitions}" for part in told.active_partitions)
            copies = " ".join(f"{part.topic}:{part.partitions}" for part in told.standby_partitions)
            self.trace.append(f"  {told.user_endpoint.host}: {active or '-'} copies {copies or '-'}")

    def _record(self, record: CoordinatorRecord) -> str:
        if type(record.key).__name__.startswith("StreamsGroup"):
            return show_streams_record(record)
        return super()._record(record)


def show_streams_record(record: CoordinatorRecord) -> str:
    """One record of a Streams group on one line."""
    key, value = record
    kind = type(key).__name__.removeprefix("StreamsGroup").removesuffix("Key")
    where = " ".join(part for part in (kind, key.group_id, getattr(key, "member_id", "")) if part)
    if value is None:
        return f"{where} tombstone"
    if isinstance(value, wire.StreamsGroupMetadataValue):
        options = ",".join(f"{row.key}={row.value}" for row in value.last_assignment_configs or ())
        return f"{where} epoch={value.epoch} valid={value.validated_topology_epoch} {options}"
    if isinstance(value, wire.StreamsGroupTargetAssignmentMetadataValue):
        return f"{where} epoch={value.assignment_epoch} at=+{value.assignment_timestamp - START_MS}"
    if isinstance(value, wire.StreamsGroupTopologyValue):
        return f"{where} epoch={value.epoch} [{' '.join(part.subtopology_id for part in value.subtopologies)}]"
    if isinstance(value, wire.StreamsGroupTargetAssignmentMemberValue):
        return f"{where} {show_tasks(value.active_tasks, value.standby_tasks)}"
    if isinstance(value, wire.StreamsGroupCurrentMemberAssignmentValue):
        gives = show_tasks(value.active_tasks_pending_revocation, value.standby_tasks_pending_revocation)
        epochs = f"{value.member_epoch} (was {value.previous_member_epoch})"
        has = show_tasks(value.active_tasks, value.standby_tasks)
        return f"{where} {epochs} state={value.state} has={has}{'' if gives == '-' else f' gives={gives}'}"
    endpoint = f" at {value.user_endpoint.host}" if value.user_endpoint else ""
    return f"{where} process={value.process_id} topology={value.topology_epoch}{endpoint}"


def show_tasks(active: Sequence[Any], standby: Sequence[Any]) -> str:
    """Tasks as `0:1,2;1:0`, copies after a `+`."""
    texts = [
        ";".join(f"{part.subtopology_id}:{','.join(map(str, sorted(part.partitions)))}" for part in messages)
        for messages in (active, standby)
    ]
    return "+".join(texts).removesuffix("+") or "-"


def read_tasks(text: str) -> dict[str, list[int]]:
    """The tasks of a text like `0:1,2;1:0`; `-` is none."""
    parts = [part.split(":") for part in text.split(";") if part not in ("", "-")]
    return {name: [int(number) for number in numbers.split(",")] for name, numbers in parts}


def task_messages(text: str) -> list[TaskIds]:
    return messages_of(read_tasks(text))


def messages_of(tasks: Mapping[str, Any]) -> list[TaskIds]:
    """Tasks in the form in which a heartbeat names them."""
    return [TaskIds(subtopology_id=name, partitions=sorted(numbers)) for name, numbers in tasks.items() if numbers]


# Topologies


def subtopology(name: str, **parts: Any) -> Subtopology:
    """One that has only what is named."""
    fields: dict[str, Any] = {
        "source_topics": [],
        "source_topic_regex": [],
        "state_changelog_topics": [],
        "repartition_sink_topics": [],
        "repartition_source_topics": [],
        "copartition_groups": [],
    }
    return Subtopology(subtopology_id=name, **{**fields, **parts})


def internal(name: str, partitions: int = 0) -> TopicInfo:
    return TopicInfo(name=name, partitions=partitions, replication_factor=0, topic_configs=[])


def word_count(sources: list[str]) -> Topology:
    """Subtopology 0 writes the repartition topic `r`; 1 reads it and keeps a store with the changelog `c`."""
    return Topology(
        epoch=0,
        subtopologies=[
            subtopology("0", source_topics=sources, repartition_sink_topics=["r"]),
            subtopology("1", repartition_source_topics=[internal("r")], state_changelog_topics=[internal("c")]),
        ],
    )


def reading(sources: list[str]) -> Topology:
    """One subtopology without state or internal topics."""
    return Topology(epoch=0, subtopologies=[subtopology("0", source_topics=sources)])


def joining(sources: list[str]) -> Topology:
    """One subtopology that joins its sources, with a store."""
    group = CopartitionGroup(
        source_topics=list(range(len(sources))), source_topic_regex=[], repartition_source_topics=[]
    )
    part = subtopology("0", source_topics=sources, state_changelog_topics=[internal("c")], copartition_groups=[group])
    return Topology(epoch=0, subtopologies=[part])
