"""The state of one share partition as the share coordinator keeps it, and how changes are combined with it.

Batches are about offsets from the start offset on; offsets that no batch names were never acquired, or are not known to
have been. Where batches overlap, the one that was delivered more often holds, of equals the one whose state has the
larger number. (KIP-932; apache/kafka `ShareGroupOffset`, `PersisterStateBatchCombiner`.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from itertools import pairwise
from typing import NamedTuple, Protocol

from kwire.ids import uuid_text
from kwire.wire.messages.share_records import ShareSnapshotValue, ShareUpdateValue
from kwire.wire.messages.share_records import StateBatch as StateBatchMessage

NO_START_OFFSET = -1
NO_COUNT = -1
NO_EPOCH = -1
NO_TIMESTAMP = -1


class ShareKey(NamedTuple):
    """What a share partition is called here."""

    group_id: str
    topic_id: bytes
    partition: int

    @property
    def text(self) -> str:
        """The text whose hash says which partition coordinates it; FindCoordinator is asked with it."""
        return f"{self.group_id}:{uuid_text(self.topic_id)}:{self.partition}"


class StateBatch(NamedTuple):
    """Offsets in one state, delivered so many times."""

    first: int
    last: int
    state: int
    deliveries: int


class BatchMessage(Protocol):
    """`StateBatch` as messages have it."""

    first_offset: int
    last_offset: int
    delivery_state: int
    delivery_count: int


class ShareState(NamedTuple):
    """Where one share partition stands; timestamps in ms. A `complete_count` of -1 is not known."""

    snapshot_epoch: int
    state_epoch: int
    leader_epoch: int
    start_offset: int
    complete_count: int
    batches: tuple[StateBatch, ...]
    created_ms: int = NO_TIMESTAMP
    written_ms: int = NO_TIMESTAMP

    def snapshot(self) -> ShareSnapshotValue:
        """The record of all of it."""
        return ShareSnapshotValue(
            snapshot_epoch=self.snapshot_epoch,
            state_epoch=self.state_epoch,
            leader_epoch=self.leader_epoch,
            start_offset=self.start_offset,
            delivery_complete_count=self.complete_count,
            create_timestamp=self.created_ms,
            write_timestamp=self.written_ms,
            state_batches=batch_messages(self.batches),
        )

    def updated(self, update: ShareUpdateValue) -> ShareState:
        """The state with an update's changes."""
        start = self.start_offset if update.start_offset == NO_START_OFFSET else update.start_offset
        return self._replace(
            start_offset=start,
            leader_epoch=self.leader_epoch if update.leader_epoch == NO_EPOCH else update.leader_epoch,
            complete_count=update.delivery_complete_count,
            batches=combined((*self.batches, *batches_from(update.state_batches)), start),
        )


NO_STATE = ShareState(NO_EPOCH, 0, 0, NO_START_OFFSET, NO_COUNT, ())
"""What is told of a partition that was never initialised (apache/kafka `PartitionFactory`)."""


def state_from(value: ShareSnapshotValue) -> ShareState:
    """The state that a snapshot's record holds."""
    return ShareState(
        value.snapshot_epoch,
        value.state_epoch,
        value.leader_epoch,
        value.start_offset,
        value.delivery_complete_count,
        batches_from(value.state_batches),
        value.create_timestamp,
        value.write_timestamp,
    )


def batches_from(messages: Iterable[BatchMessage]) -> tuple[StateBatch, ...]:
    """Batches as a message has them."""
    return tuple(StateBatch(m.first_offset, m.last_offset, m.delivery_state, m.delivery_count) for m in messages)


def batch_messages(batches: Iterable[StateBatch]) -> list[StateBatchMessage]:
    """Batches for a record."""
    return [
        StateBatchMessage(first_offset=first, last_offset=last, delivery_state=state, delivery_count=deliveries)
        for first, last, state, deliveries in batches
    ]


def combined(batches: Sequence[StateBatch], start_offset: int) -> tuple[StateBatch, ...]:
    """The batches in order, without overlap and with nothing below the start (-1: no start); neighbours are joined."""
    if start_offset != NO_START_OFFSET:
        batches = [
            batch if batch.first >= start_offset else batch._replace(first=start_offset)
            for batch in batches
            if batch.last >= start_offset
        ]
    ordered = sorted(batches)
    if any(left.last >= right.first for left, right in pairwise(ordered)):
        ordered = _without_overlap(ordered)
    joined: list[StateBatch] = []
    for batch in ordered:
        if joined and joined[-1].last + 1 == batch.first and joined[-1][2:] == batch[2:]:
            joined[-1] = joined[-1]._replace(last=batch.last)
        else:
            joined.append(batch)
    return tuple(joined)


def _without_overlap(ordered: list[StateBatch]) -> list[StateBatch]:
    """Of each offset what was delivered most often: a sweep over the points at which a batch begins or ends."""
    points = sorted({batch.first for batch in ordered} | {batch.last + 1 for batch in ordered})
    active: list[tuple[int, int, int]] = []
    found: list[StateBatch] = []
    following = 0
    for start, end in pairwise(points):
        while following < len(ordered) and ordered[following].first <= start:
            batch = ordered[following]
            heappush(active, (-batch.deliveries, -batch.state, batch.last))
            following += 1
        while active and active[0][2] < start:
            heappop(active)
        if active:
            deliveries, state, _ = active[0]
            found.append(StateBatch(start, end - 1, -state, -deliveries))
    return found
