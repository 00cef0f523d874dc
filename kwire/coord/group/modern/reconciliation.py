"""How one member gets from what it owns to what it should own, one heartbeat at a time (KIP-848).

A member first gives back what it must not keep, then moves to the target's epoch, then gets what is free. Nobody gets a
partition that another member still owns, so that no partition has two owners at any moment.

| state | what the member waits for | a heartbeat leads to |
|---|---|---|
| Stable | nothing: it owns its target of its epoch | any of the three, if there is a newer target |
| UnrevokedPartitions | itself: it is to give partitions back | any, once it does not report them any more |
| UnreleasedPartitions | others: partitions of its target still have an owner | any of the three |
| Unknown | written by a newer broker | any, if the member owns nothing; FENCED_MEMBER_EPOCH otherwise |

Epochs only rise, except that a static member that leaves for a while is at -2 and one that comes back at 0.
(apache/kafka `CurrentAssignmentBuilder`.)
"""

from __future__ import annotations

from collections.abc import Callable, Container
from enum import IntEnum

from kwire.coord.group.modern.assignment import NOTHING_OWNED, Owned, Partitions, share_any
from kwire.errors import ErrorCode, KafkaError
from kwire.named_tuple import NamedTuple


class MemberState(IntEnum):
    """Where a member stands; the numbers are those of the log (apache/kafka `MemberState`)."""

    STABLE = 0
    UNREVOKED_PARTITIONS = 1
    UNRELEASED_PARTITIONS = 2
    UNKNOWN = 127


class IllegalTransition(AssertionError):
    """A bug: a member was told to go where the table below does not lead, or to an earlier epoch."""


_KNOWN = frozenset({MemberState.STABLE, MemberState.UNREVOKED_PARTITIONS, MemberState.UNRELEASED_PARTITIONS})

TRANSITIONS: dict[MemberState, frozenset[MemberState]] = {
    MemberState.STABLE: _KNOWN,
    MemberState.UNREVOKED_PARTITIONS: _KNOWN,
    MemberState.UNRELEASED_PARTITIONS: _KNOWN,
    MemberState.UNKNOWN: _KNOWN,
}
"""From each state, the states that may follow. What is not listed raises `IllegalTransition`."""


class CurrentAssignment(NamedTuple):
    """What a member has: its epoch, the one before, and its partitions with the epochs in which it got them.

    Partitions of `pending_revocation` are still the member's until it stops reporting them.
    """

    member_epoch: int = 0
    previous_member_epoch: int = 0
    state: MemberState = MemberState.STABLE
    assigned: Owned = NOTHING_OWNED
    pending_revocation: Owned = NOTHING_OWNED

    def is_reconciled_to(self, epoch: int) -> bool:
        """Whether nothing is left to do for the target of this epoch."""
        return self.state is MemberState.STABLE and self.member_epoch == epoch

    def moved_to(self, state: MemberState, epoch: int, assigned: Owned, pending: Owned) -> CurrentAssignment:
        """The one way to another state. Raises IllegalTransition."""
        if state not in TRANSITIONS[self.state] or epoch < self.member_epoch:
            raise IllegalTransition(f"{self.state.name} at {self.member_epoch} -> {state.name} at {epoch}")
        return CurrentAssignment(epoch, self.member_epoch, state, assigned, pending)

    def epoch_of(self, topic_id: bytes, partition: int) -> int | None:
        """The epoch in which the member got this partition, None if it is not the member's."""
        for owned in (self.assigned, self.pending_revocation):
            epoch = owned.get(topic_id, {}).get(partition)
            if epoch is not None:
                return epoch
        return None


class Reconciliation(NamedTuple):
    """What a member's next step depends on.

    `reported` is what the member says it owns, None if it does not say. `subscribed` are the ids of the topics that it
    subscribes to and that exist. `is_free(topic_id, partition)`: nobody owns it.
    """

    target_epoch: int
    target: Partitions
    subscribed: Container[bytes]
    reported: Partitions | None
    is_free: Callable[[bytes, int], bool]
    subscription_changed: bool


def reconcile(current: CurrentAssignment, toward: Reconciliation) -> CurrentAssignment:
    """The member's next step, or `current` itself if there is none to take.

    Raises FENCED_MEMBER_EPOCH for a member in a state that this broker does not know.
    """
    if current.state is MemberState.STABLE:
        if current.member_epoch != toward.target_epoch:
            return _next_step(current, toward)
        return _drop_unsubscribed(current, toward) if toward.subscription_changed else current
    if current.state is MemberState.UNREVOKED_PARTITIONS:
        if _still_has(current.pending_revocation, toward):
            return _drop_unsubscribed(current, toward) if toward.subscription_changed else current
        return _next_step(current, toward)
    if current.state is MemberState.UNKNOWN and (toward.reported is None or toward.reported):
        raise KafkaError(
            ErrorCode.FENCED_MEMBER_EPOCH,
            "The member is in a state that this broker does not know. It must give up its partitions and join again.",
        )
    return _next_step(current, toward)


def _still_has(pending: Owned, toward: Reconciliation) -> bool:
    """Whether the member has not given everything back yet; one that does not say is taken to have it all."""
    return toward.reported is None or share_any(toward.reported, pending)


def _drop_unsubscribed(current: CurrentAssignment, toward: Reconciliation) -> CurrentAssignment:
    """Take back topics that the member does not subscribe to any more; its epoch stays."""
    gone = {topic_id: owned for topic_id, owned in current.assigned.items() if topic_id not in toward.subscribed}
    if not gone:
        return current
    kept = {topic_id: owned for topic_id, owned in current.assigned.items() if topic_id in toward.subscribed}
    pending = dict(current.pending_revocation)
    for topic_id, owned in gone.items():
        pending[topic_id] = {**pending.get(topic_id, {}), **owned}
    if _still_has(pending, toward):
        return current.moved_to(MemberState.UNREVOKED_PARTITIONS, current.member_epoch, kept, pending)
    return current._replace(assigned=kept)


def _next_step(current: CurrentAssignment, toward: Reconciliation) -> CurrentAssignment:
    """Give back first; with nothing to give back, move to the target's epoch and take what is free.

    Who gives back twice in a row stays at its epoch: should the answer that asks for more get lost, the member goes on
    at this epoch, with what it has not been told to give back yet, and is not to be fenced for it.
    """
    kept: dict[bytes, dict[int, int]] = {}
    pending: dict[bytes, dict[int, int]] = {}
    gained: dict[bytes, list[int]] = {}
    waits_for_others = False
    for topic_id in {**toward.target, **current.assigned}:
        target = toward.target.get(topic_id, frozenset()) if topic_id in toward.subscribed else frozenset()
        owned = current.assigned.get(topic_id, {})
        own = current.pending_revocation.get(topic_id, {})
        for partition, since in owned.items():
            (kept if partition in target else pending).setdefault(topic_id, {})[partition] = since
        for partition in target - owned.keys():
            if partition in own or toward.is_free(topic_id, partition):
                gained.setdefault(topic_id, []).append(partition)
            else:
                waits_for_others = True
    if pending and _still_has(pending, toward):
        return current.moved_to(MemberState.UNREVOKED_PARTITIONS, current.member_epoch, kept, pending)
    for topic_id, partitions in gained.items():
        kept.setdefault(topic_id, {}).update(dict.fromkeys(sorted(partitions), toward.target_epoch))
    state = MemberState.UNRELEASED_PARTITIONS if waits_for_others else MemberState.STABLE
    return current.moved_to(state, toward.target_epoch, kept, NOTHING_OWNED)
