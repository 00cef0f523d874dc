"""The `uniform` assignor where members subscribe to different topics.

Everybody keeps what it has and still subscribes to; what is left goes to whoever has least; then partitions move from
those with most to those with least, topic by topic, until a whole round moves nothing. Balance goes before stickiness.
(apache/kafka `UniformHeterogeneousAssignmentBuilder`; its tie-breaks are kept.)
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from kwire.coord.group.modern.assignment import Partitions
from kwire.coord.group.modern.assignor import GroupSpec

MAX_ROUNDS = 16
"""Overlapping subscriptions converge slowly; each round about halves the imbalance."""

NOBODY = -1


def assign_heterogeneous(group: GroupSpec) -> dict[str, Partitions]:
    """The target of every member."""
    board = _Board(group)
    board.keep_subscribed()
    board.hand_out()
    board.balance()
    return board.targets()


class _Board:
    """Who has what, by the number of the member; every partition of every subscribed topic has one owner or none."""

    def __init__(self, group: GroupSpec) -> None:
        self._group = group
        self._member_ids = list(group.members)
        self._loads = [0] * len(self._member_ids)
        self._subscribers: dict[bytes, list[int]] = {}
        for number, member in enumerate(group.members.values()):
            for topic_id in member.subscribed:
                self._subscribers.setdefault(topic_id, []).append(number)
        counts = group.partition_counts
        self._owners = {topic_id: [NOBODY] * counts[topic_id] for topic_id in self._subscribers}
        # The scarcest room first: many partitions per subscriber, then few subscribers.
        self._topics = sorted(
            self._subscribers,
            key=lambda topic_id: (
                -counts[topic_id] / len(self._subscribers[topic_id]),
                len(self._subscribers[topic_id]),
                topic_id,
            ),
        )

    def keep_subscribed(self) -> None:
        """Everybody keeps what it still subscribes to, of partitions that still exist."""
        for number, member in enumerate(self._group.members.values()):
            for topic_id, partitions in member.assigned.items():
                if topic_id not in member.subscribed:
                    continue
                owners = self._owners[topic_id]
                for partition in partitions:
                    if partition < len(owners) and owners[partition] == NOBODY:
                        owners[partition] = number
                        self._loads[number] += 1

    def hand_out(self) -> None:
        """Each partition that nobody has goes to the subscriber with least."""
        for topic_id in self._topics:
            owners = self._owners[topic_id]
            free = [partition for partition, owner in enumerate(owners) if owner == NOBODY]
            if not free:
                continue
            heap = [(self._loads[number], number) for number in self._subscribers[topic_id]]
            heapify(heap)
            for partition in free:
                _, number = heappop(heap)
                owners[partition] = number
                self._loads[number] += 1
                heappush(heap, (self._loads[number], number))

    def balance(self) -> None:
        """Move partitions until no topic can be improved, or enough rounds were made."""
        movable = [topic_id for topic_id in self._topics if len(self._subscribers[topic_id]) > 1]
        unchanged = 0
        for _ in range(MAX_ROUNDS):
            for topic_id in movable:
                unchanged = 0 if self._balance_topic(topic_id) else unchanged + 1
                if unchanged >= len(movable):
                    return

    def _balance_topic(self, topic_id: bytes) -> bool:
        """Move partitions of one topic from who has most to who has least; whether any was moved."""
        subscribers = self._subscribers[topic_id]
        loads = self._loads
        if max(loads[number] for number in subscribers) - min(loads[number] for number in subscribers) <= 1:
            return False
        owners = self._owners[topic_id]
        has: dict[int, list[int]] = {}
        for partition, owner in enumerate(owners):
            has.setdefault(owner, []).append(partition)
        least = [(loads[number], number) for number in subscribers]
        most = [(-loads[number], -number) for number in has]
        heapify(least)
        heapify(most)
        moved = False
        while most:
            load, number = heappop(most)
            giver = -number
            if -load != loads[giver]:
                continue  # It got one meanwhile and is in the queue again, or is no longer of interest.
            while least[0][0] != loads[least[0][1]]:
                heappop(least)
            taker = least[0][1]
            if loads[giver] - loads[taker] <= 1:
                return moved
            partition = has[giver].pop()
            owners[partition] = taker
            loads[giver] -= 1
            loads[taker] += 1
            moved = True
            heappush(least, (loads[taker], taker))
            heappush(least, (loads[giver], giver))
            if has[giver]:
                heappush(most, (-loads[giver], -giver))
        return moved

    def targets(self) -> dict[str, Partitions]:
        """What everybody has now."""
        found: list[dict[bytes, set[int]]] = [{} for _ in self._member_ids]
        for topic_id, owners in self._owners.items():
            for partition, owner in enumerate(owners):
                found[owner].setdefault(topic_id, set()).add(partition)
        return {
            member_id: {topic_id: frozenset(partitions) for topic_id, partitions in found[number].items()}
            for number, member_id in enumerate(self._member_ids)
        }
