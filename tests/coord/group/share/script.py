"""Scripts for the share groups of a shard (tests/scripts/share_group_*.txt): heartbeats in, records and orders out.

Commands and their trace lines are written as those of `tests.coord.group.script`. The persister is the script itself:
an order is shown, and `made g` or `failed g` says what became of the group's last one. After a script, and at every
`reload`, a fresh shard is fed the log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kwire.coord.decision import Decision
from kwire.coord.group.config import GroupConfig
from kwire.coord.group.shard import GroupShard
from kwire.coord.group.share.coordinator import share_group, share_groups
from kwire.coord.group.share.group import ShareGroup
from kwire.coord.group.share.groups import heartbeat_refused
from kwire.coord.group.share.initialization import InitializeOrder
from kwire.coord.records import NO_PRODUCER, CoordinatorRecord, encode_records
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages import share_records as wire
from kwire.wire.messages.share_group_heartbeat import ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse
from tests.coord.group.configs import group_config
from tests.coord.group.consumer_topics import TopicsForTests
from tests.coord.group.hard_state import assert_same_hard_state
from tests.walks.walk import Decoded, Follower

START_MS = 1_000_000
SPEED_LIMIT = 3000


class Player:
    """Plays commands on one shard and keeps its log as encoded batches."""

    def __init__(self) -> None:
        self.own: dict[str, str] = {}
        self.config: GroupConfig = group_config()
        self.config.group_overrides = lambda group_id: self.own
        self.now_ms = START_MS
        self.log: list[bytearray] = []
        self.decoded: Decoded = {}
        self.trace: list[str] = []
        self.shows_records = True
        self.epochs: dict[str, int] = {}
        self.orders: dict[str, InitializeOrder] = {}
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

    def group(self, group_id: str) -> ShareGroup:
        return share_groups(self.shard).groups[group_id]

    # Commands

    def _config(self, **options: str) -> None:
        """Options of every group."""
        self.own.update({f"share.{name.replace('_', '.')}": value for name, value in options.items()})

    def _size(self, limit: str) -> None:
        share_groups(self.shard).config.max_size = int(limit)

    def _topic(self, name: str, partitions: str = "0") -> None:
        self.topics.put(name, int(partitions))

    def _forget_topics(self) -> None:
        self.carry_out(share_groups(self.shard).forget_gone_topics(), "")

    def _beat(self, who: str, group: str = "g", epoch: str | None = None, topics: str | None = None) -> None:
        """At the epoch that the member was told last; the first time it subscribes to `t`."""
        member_epoch = self.epochs.get(who, 0) if epoch is None else int(epoch)
        names = topics.split(",") if topics else (["t"] if member_epoch == 0 else None)
        request = ShareGroupHeartbeatRequest(
            group_id=group, member_id=who, member_epoch=member_epoch, subscribed_topic_names=names
        )
        out = Decision()
        try:
            found = share_group(self.shard, group, may_be_new=member_epoch == 0)
            response = share_groups(self.shard).heartbeat(found, request, (who, f"/{who}"), self.now_ms, out)
        except KafkaError as error:
            out, response = Decision(), heartbeat_refused(error)
        out.reply(1, response)
        self.carry_out(out, who)

    def _made(self, group: str = "g") -> None:
        order = self.orders.pop(group)
        self.carry_out(share_groups(self.shard).on_initialized(group, order.start_offsets, succeeded=True), "")

    def _failed(self, group: str = "g") -> None:
        order = self.orders.pop(group)
        self.carry_out(share_groups(self.shard).on_initialized(group, order.start_offsets, succeeded=False), "")

    def _refuse(self, code: str) -> None:
        self.refuse_next = ErrorCode[code]

    def _delete(self, group: str = "g") -> None:
        decision = self.shard.delete_groups([group], 1)
        (result,) = decision.replies[0][1].results
        self.trace.append(f"deleted <- {ErrorCode(result.error_code).name}")
        decision.replies.clear()
        self.carry_out(decision, "")

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
            if not where.startswith("clean-up"):
                self.trace.append(f"timer at +{self.now_ms - START_MS}: {where}")
            self.carry_out(self.shard.on_timer(key, self.now_ms), "")
        raise AssertionError("time stands still")

    def _jump(self, milliseconds: str) -> None:
        self.now_ms += int(milliseconds)

    def _reload(self) -> None:
        self.shard.on_unloaded(self.now_ms)
        self.shard = fed(self)
        self.shard.on_loaded(self.now_ms)
        self._show()

    def _show(self) -> None:
        for group in share_groups(self.shard).groups.values():
            members = " ".join(f"{m.member_id}@{m.member_epoch}" for m in group.members.values())
            epochs = f"epoch {group.group_epoch} assigned {group.assignment_epoch}"
            self.trace.append(f"{group.group_id}: {group.state} {epochs} [{members}]")

    # What comes of it

    def carry_out(self, decision: Decision, who: str) -> None:
        refuses, self.refuse_next = self.refuse_next, None
        if decision.records and refuses is not None:
            self.trace.append(f"the log refuses: {refuses.name}")
            self.shard.on_refused(decision, refuses, self.now_ms)
            return
        if decision.records:
            self.log.append(encode_records(decision.records, self.now_ms))
        for record in decision.records:
            if self.shows_records:
                self.trace.append(f"log {show_record(record, self.topics)}")
            self.shard.replay(record, NO_PRODUCER, self.now_ms)
        for order in decision.orders:
            self.orders[order.group_id] = order
            wanted = {topic_id: set(offsets) for topic_id, offsets in order.start_offsets.items()}
            self.trace.append(f"order states {order.group_id} epoch={order.state_epoch} {self.topics.show(wanted)}")
        for _, response in decision.replies:
            self.say(who, response)

    def say(self, who: str, response: ShareGroupHeartbeatResponse) -> None:
        if response.error_code:
            self.trace.append(f"{who} <- {ErrorCode(response.error_code).name}")
            return
        self.epochs[who] = response.member_epoch
        assignment = ""
        if response.assignment is not None:
            assignment = f" {self.topics.show_messages(response.assignment.topic_partitions)}"
        self.trace.append(f"{who} <- epoch {response.member_epoch}{assignment}")


def follower(player: Player) -> Follower[GroupShard]:
    """A shard that can be fed the player's log."""
    return Follower(GroupShard(player.config, player.topics), player.decoded)


def fed(player: Player) -> GroupShard:
    """A fresh shard that knows the log."""
    return follower(player).follow(player.log, player.now_ms)


def assert_replay_equals_live(player: Player) -> None:
    """A fresh shard fed the log has the same share groups."""
    assert_same_hard_state(player.shard, fed(player))


def show_record(record: CoordinatorRecord, topics: TopicsForTests) -> str:
    """One record of a share group on one line."""
    key, value = record
    kind = type(key).__name__.removeprefix("ShareGroup").removesuffix("Key")
    where = " ".join(part for part in (kind, key.group_id, getattr(key, "member_id", "")) if part)
    if value is None:
        return f"{where} tombstone"
    if isinstance(value, wire.ShareGroupMetadataValue):
        return f"{where} epoch={value.epoch}"
    if isinstance(value, wire.ShareGroupTargetAssignmentMetadataValue):
        return f"{where} epoch={value.assignment_epoch}"
    if isinstance(value, wire.ShareGroupTargetAssignmentMemberValue):
        return f"{where} {topics.show_messages(value.topic_partitions)}"
    if isinstance(value, wire.ShareGroupCurrentMemberAssignmentValue):
        epochs = f"{value.member_epoch} (was {value.previous_member_epoch})"
        return f"{where} {epochs} has={topics.show_messages(value.assigned_partitions)}"
    if isinstance(value, wire.ShareGroupStatePartitionMetadataValue):
        stages: list[Any] = [value.initializing_topics, value.initialized_topics]
        begun, made = (topics.show_messages(stage) for stage in stages)
        going = ",".join(topic.topic_name for topic in value.deleting_topics) or "-"
        return f"{where} begun={begun} made={made} going={going}"
    return f"{where} topics={','.join(value.subscribed_topic_names)}"
