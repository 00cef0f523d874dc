"""Scripts for the group core: commands in, a trace out, kept as text under tests/scripts and reviewed as a diff.

A command is a line that starts in the first column, `verb who key=value ...`; the indented lines below it are what the
core answered, wrote and was asked to be woken for. Run the tests with KWIRE_REWRITE_SCRIPTS=1 to write the traces anew.
Clients are named by what comes second (`join a`); the player remembers each one's member id and generation, which
`member=` and `gen=` override. After a script, and at every `reload`, a fresh core is fed the log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kwire.coord.decision import Decision
from kwire.coord.group.consumer.member import Requester
from kwire.coord.group.members import JoiningClient
from kwire.coord.group.shard import GroupShard
from kwire.coord.group.subscriptions import read_assignment
from kwire.coord.records import NO_PRODUCER, CoordinatorRecord, encode_records
from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition
from kwire.wire.codec import encode_prefixed
from kwire.wire.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)
from kwire.wire.messages.consumer_protocol import (
    ConsumerProtocolAssignment,
    ConsumerProtocolSubscription,
    ConsumerProtocolSubscriptionTopicPartition,
)
from kwire.wire.messages.consumer_protocol import TopicPartition as AssignedTopic
from kwire.wire.messages.group_records import GroupMetadataKey, OffsetCommitKey
from kwire.wire.messages.heartbeat import HeartbeatRequest
from kwire.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from kwire.wire.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity
from kwire.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from kwire.wire.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
)
from kwire.wire.messages.offset_fetch import OffsetFetchRequestGroup, OffsetFetchRequestTopics
from kwire.wire.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse
from tests.coord.group.configs import group_config
from tests.coord.group.consumer_heartbeats import heartbeat
from tests.coord.group.consumer_topics import TopicsForTests, show_consumer_record
from tests.coord.group.hard_state import assert_same_hard_state
from tests.walks.walk import Decoded, Follower

START_MS = 1_000_000
SPEED_LIMIT = 1000
"""Timers that one `advance` may fire before the player suspects that time stands still."""


class Player:
    """Plays commands on one shard and keeps its log as encoded batches."""

    def __init__(self) -> None:
        self.config = group_config()
        self.now_ms = START_MS
        self.log: list[bytearray] = []
        self.decoded: Decoded = {}
        self.trace: list[str] = []
        self.shows_records = True
        self.members: dict[str, str] = {}
        self.generations: dict[str, int] = {}
        self.epochs: dict[str, int] = {}
        self.waiting: dict[int, str] = {}
        self.last_key = 0
        self.uuids = 0
        self.refuse_next: ErrorCode | None = None
        self.topics = TopicsForTests()
        self.shard = GroupShard(self.config, self.topics)
        self.shard.on_loaded(self.now_ms)

    def play(self, line: str) -> list[str]:
        """The trace of one command."""
        self.trace = []
        verb, *words = line.split()
        names = [word for word in words if "=" not in word]
        options = dict(word.split("=", 1) for word in words if "=" in word)
        handler: Callable[..., None] = getattr(self, f"_{verb.replace('-', '_')}")
        handler(*names, **options)
        return self.trace

    # Commands about the world

    def _config(self, **options: str) -> None:
        for name, value in options.items():
            target: Any = self.config
            if name.startswith("consumer_"):
                target, name = self.config.consumer, name.removeprefix("consumer_")
            assert hasattr(target, name), name
            setattr(target, name, int(value))

    def _topic(self, name: str, partitions: str = "0") -> None:
        self.topics.put(name, int(partitions))

    def _advance(self, milliseconds: str) -> None:
        target_ms = self.now_ms + int(milliseconds)
        for _ in range(SPEED_LIMIT):
            deadline_ms = self.shard.timers.next_deadline()
            if deadline_ms is None or deadline_ms > target_ms:
                self.now_ms = target_ms
                return
            self.now_ms = max(self.now_ms, deadline_ms)
            key = self.shard.timers.pop_due(self.now_ms)
            if key is None:
                continue
            where = " ".join(part for part in key if part)
            self.trace.append(f"timer at +{self.now_ms - START_MS}: {where}")
            self._carry_out(self.shard.on_timer(key, self.now_ms), 0)
        raise AssertionError("time stands still")

    def _jump(self, milliseconds: str) -> None:
        """The machine's clock is set; nothing happens by itself."""
        self.now_ms += int(milliseconds)

    def _reload(self) -> None:
        for key, response in self.shard.on_unloaded(self.now_ms).replies:
            self._say(key, response)
        self.shard = fed(self)
        self._carry_out(self.shard.on_loaded(self.now_ms), 0)
        for group in self.shard.groups.values():
            members = " ".join(member_id for member_id in group.members)
            self.trace.append(f"{group.group_id}: {group.state.value} generation {group.generation_id} [{members}]")
        for consumer_group in self.shard.consumer.groups.values():
            members = " ".join(f"{m.member_id}@{m.member_epoch}" for m in consumer_group.members.values())
            epoch = consumer_group.group_epoch
            self.trace.append(f"{consumer_group.group_id}: {consumer_group.state} epoch {epoch} [{members}]")

    def _refuse(self, code: str) -> None:
        self.refuse_next = ErrorCode[code]

    def _timers(self) -> None:
        timers = self.shard.timers
        for key in sorted(timers._deadlines, key=lambda key: (timers._deadlines[key], key)):
            where = " ".join(part for part in key if part)
            self.trace.append(f"+{timers._deadlines[key] - START_MS}: {where}")

    def _marker(self, producer: str, outcome: str) -> None:
        self.shard.replay_marker(int(producer), outcome == "commit")

    def _pending(self, producer: str, group: str, spot: str, offset: str) -> None:
        """An offset that a transaction brought, as the log would replay it."""
        topic, partition = spot.rsplit("-", 1)
        out = self.shard.offsets.commit(
            OffsetCommitRequest(group_id=group, topics=[_commit_topic(topic, int(partition), int(offset), "")]),
            0,
            self.now_ms,
        )
        for record in out.records:
            self.shard.replay(record, int(producer), self.now_ms)

    # Requests

    def _join(
        self,
        who: str,
        group: str = "g",
        member: str | None = None,
        instance: str | None = None,
        session: str = "10000",
        rebalance: str = "60000",
        type: str = "consumer",
        protocols: str = "range",
        topics: str = "t",
        owns: str | None = None,
        v: str = "9",
    ) -> None:
        version = int(v)
        owned = None if owns is None else self.topics.read_names(owns)
        names = [name for name in protocols.split(",") if name]
        request = JoinGroupRequest(
            group_id=group,
            session_timeout_ms=int(session),
            rebalance_timeout_ms=int(rebalance),
            member_id=self._member(who, member),
            group_instance_id=instance,
            protocol_type="" if type == "none" else type,
            protocols=[JoinGroupRequestProtocol(name=name, metadata=subscription(topics, owned)) for name in names],
        )
        client = JoiningClient(who, f"/{who}", version >= 4, version >= 9)
        self.uuids += 1
        uuid = f"u{self.uuids}"
        self._request(who, lambda key: self.shard.join(request, client, uuid, key, self.now_ms))

    def _sync(
        self,
        who: str,
        group: str = "g",
        member: str | None = None,
        gen: str | None = None,
        instance: str | None = None,
        type: str | None = None,
        protocol: str | None = None,
        give: str = "",
    ) -> None:
        pairs = [pair.split(":", 1) for pair in ([give] if "#" in give or "!" in give else give.split(",")) if pair]
        request = SyncGroupRequest(
            group_id=group,
            generation_id=self._generation(who, gen),
            member_id=self._member(who, member),
            group_instance_id=instance,
            protocol_type=type,
            protocol_name=protocol,
            assignments=[
                SyncGroupRequestAssignment(member_id=self.members.get(name, name), assignment=self._given(value))
                for name, value in pairs
            ],
        )
        self._request(who, lambda key: self.shard.sync(request, key, self.now_ms))

    def _heartbeat(
        self,
        who: str,
        group: str = "g",
        member: str | None = None,
        gen: str | None = None,
        instance: str | None = None,
    ) -> None:
        request = HeartbeatRequest(
            group_id=group,
            generation_id=self._generation(who, gen),
            member_id=self._member(who, member),
            group_instance_id=instance,
        )
        try:
            code = self.shard.heartbeat(request, self.now_ms)
        except KafkaError as error:
            code = error.code
        self.trace.append(f"{who} <- {code.name}")

    def _given(self, text: str) -> bytes:
        """An assignment: letters, or `#t:0,1` a consumer's, or `!t:0` one with user data of a custom assignor."""
        if text[:1] not in ("#", "!"):
            return text.encode()
        parts = [AssignedTopic(topic=name, partitions=n) for name, n in self.topics.read_names(text[1:]).items()]
        user_data = b"mine" if text[0] == "!" else None
        return encode_prefixed(ConsumerProtocolAssignment(assigned_partitions=parts, user_data=user_data), 0)

    def _beat(
        self,
        who: str,
        group: str = "g",
        epoch: str | None = None,
        member: str | None = None,
        instance: str | None = None,
        topics: str | None = None,
        regex: str | None = None,
        owns: str | None = None,
        rebalance: str | None = None,
        assignor: str | None = None,
    ) -> None:
        """ConsumerGroupHeartbeat, at the epoch that the member was told last; `epoch=0` says everything."""
        member_epoch = self.epochs.get(who, 0) if epoch is None else int(epoch)
        joins = member_epoch == 0
        names = topics.split(",") if topics else None
        owned = None
        if owns is not None:
            owned = [TopicPartitions(topic_id=t, partitions=sorted(p)) for t, p in self.topics.read(owns).items()]
        request = ConsumerGroupHeartbeatRequest(
            group_id=group,
            member_id=who if member is None else member,
            member_epoch=member_epoch,
            instance_id=instance,
            rebalance_timeout_ms=int(rebalance or (60_000 if joins else -1)),
            subscribed_topic_names=names if names is not None or not joins or regex else ["t"],
            subscribed_topic_regex=regex,
            server_assignor=assignor,
            topic_partitions=[] if joins and owned is None else owned,
        )
        requester = Requester(who, f"/{who}")
        self._request(who, lambda key: heartbeat(self.shard, request, requester, "new", key, self.now_ms))

    def _leave(self, *who: str, group: str = "g", instance: str | None = None, member: str | None = None) -> None:
        request = LeaveGroupRequest(
            group_id=group,
            members=[MemberIdentity(member_id=self._member(name, member), group_instance_id=instance) for name in who],
        )
        self._request(who[0], lambda key: self.shard.leave(request, key, self.now_ms))

    def _commit(
        self,
        who: str,
        *spots: str,
        group: str = "g",
        member: str | None = None,
        gen: str | None = None,
        instance: str | None = None,
        metadata: str = "",
        retention: str = "-1",
        unknown: str = "ILLEGAL_GENERATION",
        v: str = "9",
    ) -> None:
        topics = []
        for spot in spots:
            place, offset = spot.split("@")
            topic, partition = place.rsplit("-", 1)
            topics.append(_commit_topic(topic, int(partition), int(offset), metadata))
        request = OffsetCommitRequest(
            group_id=group,
            generation_id_or_member_epoch=self._generation(who, gen),
            member_id=self._member(who, member),
            group_instance_id=instance,
            retention_time_ms=int(retention),
            topics=topics,
        )
        self._request(
            who,
            lambda key: self.shard.commit_offsets(
                request,
                unknown_group=ErrorCode[unknown],
                knows_member_epochs=int(v) >= 9,
                key=key,
                now_ms=self.now_ms,
            ),
        )

    def _fetch(self, group: str, *spots: str, stable: str = "no", member: str | None = None, epoch: str = "-1") -> None:
        wanted: list[OffsetFetchRequestTopics] | None = None
        if spots:
            places = [spot.rsplit("-", 1) for spot in spots]
            wanted = [OffsetFetchRequestTopics(name=topic, partition_indexes=[int(index)]) for topic, index in places]
        request = OffsetFetchRequestGroup(group_id=group, topics=wanted, member_id=member, member_epoch=int(epoch))
        try:
            response = self.shard.fetch_offsets(request, stable == "yes")
        except KafkaError as error:
            self.trace.append(error.code.name)
            return
        if not response.topics:
            self.trace.append("nothing")
        for topic in response.topics:
            for partition in topic.partitions:
                code = ErrorCode(partition.error_code)
                says = f" {code.name}" if code else ""
                metadata = f" {partition.metadata!r}" if partition.metadata else ""
                self.trace.append(
                    f"{topic.name}-{partition.partition_index}: {partition.committed_offset}{metadata}{says}"
                )

    def _delete_offsets(self, group: str, *spots: str) -> None:
        places = [spot.rsplit("-", 1) for spot in spots]
        request = OffsetDeleteRequest(
            group_id=group,
            topics=[
                OffsetDeleteRequestTopic(
                    name=topic, partitions=[OffsetDeleteRequestPartition(partition_index=int(index))]
                )
                for topic, index in places
            ],
        )
        self._request("admin", lambda key: self.shard.delete_offsets(request, key))

    def _delete_groups(self, *groups: str) -> None:
        self._request("admin", lambda key: self.shard.delete_groups(groups, key))

    def _delete_partitions(self, *spots: str) -> None:
        places = [spot.rsplit("-", 1) for spot in spots]
        deleted = frozenset(TopicPartition(topic, int(index)) for topic, index in places)
        self._carry_out(self.shard.delete_partitions(deleted), 0)

    def _describe(self, group: str = "g") -> None:
        described = self.shard.describe([group])[0]
        protocol = f" {described.protocol_type}/{described.protocol_data}" if described.protocol_type else ""
        self.trace.append(f"{described.group_state}{protocol}")
        for member in described.members:
            instance = f" instance={member.group_instance_id}" if member.group_instance_id else ""
            self.trace.append(
                f"{member.member_id}{instance} {member.client_id} {member.client_host}"
                f" metadata={len(member.member_metadata)}B assignment={self._assignment(member.member_assignment)}"
            )

    def _describe_consumer(self, group: str = "g") -> None:
        described = self.shard.describe_consumer_groups([group])[0]
        if described.error_code:
            self.trace.append(f"{ErrorCode(described.error_code).name}: {described.error_message}")
            return
        epochs = f"epoch {described.group_epoch} assigned {described.assignment_epoch}"
        self.trace.append(f"{described.group_state} {epochs} {described.assignor_name}")
        for member in described.members:
            has = self.topics.show_messages(member.assignment.topic_partitions)
            target = self.topics.show_messages(member.target_assignment.topic_partitions)
            kind = "classic" if member.member_type == 0 else "consumer"
            self.trace.append(f"{member.member_id}@{member.member_epoch} {kind} has={has} target={target}")

    def _list(self, states: str = "", types: str = "") -> None:
        wanted_states = [state for state in states.split(",") if state]
        wanted_types = [name for name in types.split(",") if name]
        groups = self.shard.list_groups(wanted_states, wanted_types)
        for group in groups:
            self.trace.append(f"{group.group_id} {group.group_state} {group.group_type} {group.protocol_type!r}")
        if not groups:
            self.trace.append("nothing")

    # What comes of them

    def _request(self, who: str, decide: Callable[[int], Decision]) -> None:
        self.last_key += 1
        key = self.last_key
        self.waiting[key] = who
        try:
            decision = decide(key)
        except KafkaError as error:
            del self.waiting[key]
            self.trace.append(f"{who} <- {error.code.name}")
            return
        self._carry_out(decision, key)
        if key in self.waiting:
            self.trace.append(f"{who} waits")

    def _carry_out(self, decision: Decision, key: int) -> None:
        if decision.records:
            if self.refuse_next is not None:
                code, self.refuse_next = self.refuse_next, None
                self.trace.append(f"the log refuses: {code.name}")
                self.waiting.pop(key, None)
                self._carry_out(self.shard.on_refused(decision, code, self.now_ms), 0)
                for reply_key, _ in decision.replies:
                    self._say(reply_key, code)
                return
            self.log.append(encode_records(decision.records, self.now_ms))
            for record in decision.records:
                if self.shows_records:
                    self.trace.append(f"log {self._record(record)}")
                self.shard.replay(record, NO_PRODUCER, self.now_ms)
        for reply_key, response in decision.replies:
            self._say(reply_key, response)

    def _say(self, key: int, response: Any) -> None:
        who = self.waiting.pop(key, None)
        if who is None:
            return
        if isinstance(response, ErrorCode):
            self.trace.append(f"{who} <- {response.name}")
        elif isinstance(response, JoinGroupResponse):
            if response.member_id and response.error_code in (ErrorCode.NONE, ErrorCode.MEMBER_ID_REQUIRED):
                self.members[who] = response.member_id
            if response.error_code == ErrorCode.NONE:
                self.generations[who] = response.generation_id
            self.trace.append(f"{who} <- join {self._joined(response)}")
        elif isinstance(response, ConsumerGroupHeartbeatResponse):
            self._say_beat(who, response)
        elif isinstance(response, SyncGroupResponse):
            code = ErrorCode(response.error_code)
            what = self._assignment(response.assignment) if not code else ""
            self.trace.append(f"{who} <- sync {code.name} {what}".rstrip())
        elif isinstance(response, LeaveGroupResponse):
            for member in response.members:
                whom = member.member_id or member.group_instance_id
                self.trace.append(f"{who} <- leave {whom}: {ErrorCode(member.error_code).name}")
        elif isinstance(response, (OffsetCommitResponse, OffsetDeleteResponse)):
            for topic in response.topics:
                for partition in topic.partitions:
                    code = ErrorCode(partition.error_code)
                    self.trace.append(f"{who} <- {topic.name}-{partition.partition_index} {code.name}")
        else:
            for result in response.results:
                self.trace.append(f"{who} <- {result.group_id} {ErrorCode(result.error_code).name}")

    def _say_beat(self, who: str, response: ConsumerGroupHeartbeatResponse) -> None:
        code = ErrorCode(response.error_code)
        if code:
            self.trace.append(f"{who} <- {code.name}")
            return
        self.epochs[who] = max(response.member_epoch, 0)
        has = ""
        if response.assignment is not None:
            has = f" {self.topics.show_messages(response.assignment.topic_partitions)}"
        self.trace.append(f"{who} <- epoch {response.member_epoch}{has}")

    def _assignment(self, data: bytes) -> str:
        """Letters are a test's own assignments; a coordinator's are a consumer's."""
        if not data or data[:1] != b"\x00":
            return repr(data.decode())
        parts = read_assignment(data).assigned_partitions
        return " ".join(f"{part.topic}:{','.join(map(str, part.partitions))}" for part in parts) or "nothing"

    def _joined(self, response: JoinGroupResponse) -> str:
        code = ErrorCode(response.error_code)
        if code:
            return f"{code.name} {response.member_id}".rstrip()
        members = " ".join(member.member_id for member in response.members)
        return (
            f"generation={response.generation_id} {response.protocol_type}/{response.protocol_name}"
            f" me={response.member_id} leader={response.leader} members=[{members}]"
            f"{' skip-assignment' if response.skip_assignment else ''}"
        )

    def _record(self, record: CoordinatorRecord) -> str:
        key, value = record
        if isinstance(key, GroupMetadataKey):
            if value is None:
                return f"group {key.group} tombstone"
            members = " ".join(f"{m.member_id}={self._assignment(m.assignment)}" for m in value.members)
            leader = value.leader if value.leader else None
            return (
                f"group {key.group} generation={value.generation} {value.protocol_type}/{value.protocol}"
                f" leader={leader} [{members}]"
            )
        if not isinstance(key, OffsetCommitKey):
            return show_consumer_record(record, self.topics)
        spot = f"offset {key.group} {key.topic}-{key.partition}"
        if value is None:
            return f"{spot} tombstone"
        expires = f" expires=+{value.expire_timestamp - START_MS}" if value.expire_timestamp != -1 else ""
        return f"{spot} = {value.offset}{expires}"

    def _member(self, who: str, member: str | None) -> str:
        if member is None:
            return self.members.get(who, "")
        if member == "none":
            return ""
        return self.members.get(member[1:], "") if member.startswith("@") else member

    def _generation(self, who: str, given: str | None) -> int:
        return self.generations.get(who, -1) if given is None else int(given)


def follower(player: Player) -> Follower[GroupShard]:
    """A core that can be fed the player's log."""
    return Follower(GroupShard(player.config, player.topics), player.decoded)


def fed(player: Player) -> GroupShard:
    """A fresh core that was fed the log."""
    return follower(player).follow(player.log, player.now_ms)


def assert_replay_equals_live(player: Player) -> None:
    """What the log says is what the living core holds."""
    fresh = fed(player)
    fresh.on_loaded(player.now_ms)
    assert_same_hard_state(player.shard, fresh)


def subscription(topics: str, owned: dict[str, list[int]] | None = None) -> bytes:
    """A consumer's metadata: a subscription to `topics` (comma separated), or bytes that are none.

    With `owned` the consumer says what it has, which takes version 1.
    """
    if topics == "garbage":
        return b"\x00"
    message = ConsumerProtocolSubscription(topics=topics.split(","), user_data=None)
    if owned is None:
        return encode_prefixed(message, 0)
    message.owned_partitions = [
        ConsumerProtocolSubscriptionTopicPartition(topic=topic, partitions=partitions)
        for topic, partitions in owned.items()
    ]
    return encode_prefixed(message, 1)


def _commit_topic(topic: str, partition: int, offset: int, metadata: str) -> OffsetCommitRequestTopic:
    return OffsetCommitRequestTopic(
        name=topic,
        partitions=[
            OffsetCommitRequestPartition(
                partition_index=partition, committed_offset=offset, committed_metadata=metadata
            )
        ],
    )
