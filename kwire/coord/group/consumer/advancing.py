"""From what a member says to where it stands: the steps that every heartbeat, and every classic join, goes through.

1. What the member says is stored if it is new.
2. If subscriptions or the topics behind them have changed, the group's epoch rises.
3. If the group's epoch is ahead of the target assignment's, a new target is made; not more often than
   `group.consumer.assignment.interval.ms` allows, a later heartbeat makes up for it.
4. The member takes its next step towards its target.

(apache/kafka `GroupMetadataManager.consumerGroupHeartbeat`, steps as there.)
"""

from __future__ import annotations

from collections.abc import Iterable

from kwire.coord.decision import Decision
from kwire.coord.group.consumer import deadlines
from kwire.coord.group.consumer.config import ASSIGNORS, ConsumerGroupConfig
from kwire.coord.group.consumer.deadlines import Deadlines
from kwire.coord.group.consumer.group import ConsumerGroup
from kwire.coord.group.consumer.member import ConsumerMember
from kwire.coord.group.consumer.records import (
    current_assignment_record,
    epoch_record,
    partition_metadata_tombstone,
    regex_tombstone,
    subscription_record,
    target_epoch_record,
    target_record,
)
from kwire.coord.group.consumer.regex import compile_regex
from kwire.coord.group.modern.assignment import NOTHING, Partitions
from kwire.coord.group.modern.assignor import GroupSpec, MemberSpec
from kwire.coord.group.modern.reconciliation import MemberState, Reconciliation, reconcile
from kwire.coord.group.modern.topics import MetadataHashes, SubscribedIds, TopicDirectory, ids_of
from kwire.named_tuple import NamedTuple


class Change(NamedTuple):
    """A member before and after a request, in a group that knows only the first.

    `before` is an empty member if it is new; a static member that came back is before and after under its new id.
    """

    group: ConsumerGroup
    before: ConsumerMember
    after: ConsumerMember

    @property
    def names_changed(self) -> bool:
        """Whether the member subscribes to other names."""
        return self.before.said.topic_names != self.after.said.topic_names

    @property
    def regex_changed(self) -> bool:
        """Whether the member subscribes with another expression."""
        return self.before.said.topic_regex != self.after.said.topic_regex

    def name_counts(self) -> dict[str, int]:
        """Subscriptions by name, afterwards."""
        return _moved(self.group.name_counts, self.before.said.topic_names, self.after.said.topic_names)

    def regex_counts(self) -> dict[str, int]:
        """Subscriptions by expression, afterwards."""
        old, new = self.before.said.topic_regex, self.after.said.topic_regex
        return _moved(self.group.regex_counts, [old] if old else [], [new] if new else [])

    def assignor_counts(self) -> dict[str, int]:
        """Wishes for an assignor, afterwards."""
        old, new = self.before.said.server_assignor, self.after.said.server_assignor
        return _moved(self.group.assignors, [old] if old else [], [new] if new else [])


class Advancing:
    """The steps, over the topics there are. Nothing is changed but deadlines; what is to be stored goes to `out`."""

    __slots__ = ("_config", "_deadlines", "_hashes", "_topics")

    def __init__(
        self, deadlines: Deadlines, config: ConsumerGroupConfig, topics: TopicDirectory, hashes: MetadataHashes
    ) -> None:
        self._deadlines = deadlines
        self._hashes = hashes
        self._config = config
        self._topics = topics

    def advance(self, change: Change, reported: Partitions | None, now_ms: int, out: Decision) -> ConsumerMember:
        """All steps; the member as it is then. Raises INVALID_REGULAR_EXPRESSION, FENCED_MEMBER_EPOCH."""
        self.store_subscription(change, out)
        group_epoch = self.raise_epoch(change, out)
        target_epoch, target = self._target(change, group_epoch, now_ms, out)
        return self.step(change, target_epoch, target, reported, now_ms, out)

    def store_subscription(self, change: Change, out: Decision) -> None:
        """Step 1; an expression that nobody uses any more is forgotten."""
        group, before, after = change
        known = group.members.get(after.member_id)
        if known is None or known.said != after.said:
            out.records.append(subscription_record(group.group_id, after))
        if not change.regex_changed:
            return
        old, new = before.said.topic_regex, after.said.topic_regex
        if new and new not in group.regex_counts:
            compile_regex(new)
        if old and group.regex_counts.get(old) == 1:
            out.records.append(regex_tombstone(group.group_id, old))

    def raise_epoch(self, change: Change, out: Decision) -> int:
        """Step 2; the group's epoch. An expression that is not resolved yet changes nothing before it is."""
        group, _, after = change
        regex = after.said.topic_regex
        must_rise = change.names_changed or (change.regex_changed and (not regex or regex in group.resolved))
        version = self._topics.topics_version
        is_seen = group.metadata_version_seen == version
        if not must_rise and is_seen:
            return group.group_epoch
        names, regexes = change.name_counts(), change.regex_counts()
        if is_seen and names.keys() == group.name_counts.keys() and regexes.keys() == group.regex_counts.keys():
            new_hash = group.metadata_hash  # One more of many who subscribe to the same.
        else:
            new_hash = self._hashes.of(group.subscribed_names(names, regexes))
        if new_hash == group.metadata_hash:
            group.metadata_version_seen = version
        if group.has_partition_metadata:
            out.records.append(partition_metadata_tombstone(group.group_id))
        if not must_rise and new_hash == group.metadata_hash:
            return group.group_epoch
        epoch = group.group_epoch + 1
        out.records.append(epoch_record(group.group_id, epoch, new_hash))
        return epoch

    def _target(self, change: Change, group_epoch: int, now_ms: int, out: Decision) -> tuple[int, Partitions]:
        """Step 3; the epoch of the target assignment, and the member's target."""
        group, _, after = change
        if group_epoch <= group.assignment_epoch or not self.may_assign(group, now_ms):
            return group.assignment_epoch, group.target_of(after.member_id, after.said.instance_id)
        spec = self._specify(change)
        name = group.preferred_assignor(self._config.assignors, change.assignor_counts())
        targets = ASSIGNORS[name](spec)
        for member_id in spec.members:
            target = targets.get(member_id, NOTHING)
            if group.targets.get(member_id) != target:
                out.records.append(target_record(group.group_id, member_id, target))
        out.records.append(target_epoch_record(group.group_id, group_epoch, now_ms))
        return group_epoch, targets.get(after.member_id, NOTHING)

    def may_assign(self, group: ConsumerGroup, now_ms: int) -> bool:
        """Whether the last target is old enough. A clock that was set back does not hold a group up."""
        last_ms = group.assignment_timestamp_ms
        return not last_ms <= now_ms < last_ms + self._config.assignment_interval_of(group.group_id)

    def _specify(self, change: Change) -> GroupSpec:
        group, _, after = change
        replaced = group.static_members.get(after.said.instance_id) if after.said.instance_id else None
        everybody = {**group.members, after.member_id: after}
        if replaced not in (None, after.member_id):
            del everybody[replaced]
        ids: dict[tuple[frozenset[str], str], frozenset[bytes]] = {}
        members: dict[str, MemberSpec] = {}
        for member in everybody.values():
            said = member.said
            wish = (said.topic_names, said.topic_regex)
            if wish not in ids:
                ids[wish] = ids_of(group.topics_of(member), self._topics)
            target = group.target_of(member.member_id, said.instance_id)
            members[member.member_id] = MemberSpec(said.instance_id, ids[wish], target)
        counts = {}
        for topic_id in frozenset().union(*ids.values()):
            topic = self._topics.topic_by_id(topic_id)
            counts[topic_id] = 0 if topic is None else len(topic.partitions)
        return GroupSpec(members, counts, len(set(ids.values())) <= 1)

    def step(
        self,
        change: Change,
        target_epoch: int,
        target: Partitions,
        reported: Partitions | None,
        now_ms: int,
        out: Decision,
    ) -> ConsumerMember:
        """Step 4; the member with what it has then."""
        group, _, member = change
        subscription_changed = change.names_changed or change.regex_changed
        if subscription_changed or not member.has.is_reconciled_to(target_epoch):
            toward = Reconciliation(
                target_epoch,
                target,
                SubscribedIds(group.topics_of(member), self._topics),
                reported,
                group.is_free,
                subscription_changed,
            )
            has = reconcile(member.has, toward)
            if has != member.has:
                member = member._replace(has=has)
                out.records.append(current_assignment_record(group.group_id, member))
                self._deadlines.forget(deadlines.REVOCATION, group.group_id, member.member_id)
        if member.has.state is MemberState.UNREVOKED_PARTITIONS and not member.uses_classic_protocol:
            self._deadlines.expect_unless_expected(
                deadlines.REVOCATION, group.group_id, member.member_id, now_ms + member.said.rebalance_timeout_ms
            )
        return member


def _moved(counts: dict[str, int], old: Iterable[str], new: Iterable[str]) -> dict[str, int]:
    """Counts with `old` taken away and `new` added; `counts` itself if both are the same."""
    if old == new:
        return counts
    moved = dict(counts)
    for name in old:
        left = moved.get(name, 0) - 1
        if left > 0:
            moved[name] = left
        else:
            moved.pop(name, None)
    for name in new:
        moved[name] = moved.get(name, 0) + 1
    return moved
