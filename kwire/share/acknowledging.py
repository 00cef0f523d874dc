"""What a member says about records that it has acquired (KIP-932, KIP-1222).

All of a request's batches for one partition hold, or none: the first one that cannot be undoes those before it.
(apache/kafka `SharePartition.acknowledge`, `KafkaApis.validateAcknowledgementBatches`.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple, Protocol

from kwire.errors import ErrorCode, KafkaError
from kwire.share.in_flight import Batch, Run
from kwire.share.partition import SharePartition, Update
from kwire.share.states import ACQUIRED, ARCHIVED, AVAILABLE, NO_MEMBER, REJECT, RENEW, STATE_AFTER


class AcknowledgementBatch(Protocol):
    """Offsets, and one type for all of them or one for each; as messages have it."""

    first_offset: int
    last_offset: int
    acknowledge_types: list[int]


class _Part(NamedTuple):
    """Offsets that get the same acknowledgement."""

    first: int
    last: int
    type: int


def check_batches(batches: Iterable[AcknowledgementBatch], *, is_renewal: bool, knows_renewal: bool) -> None:
    """Whether batches are in order and say something sensible, whatever they are about. Raises INVALID_REQUEST.

    `is_renewal`: the request says that it renews locks. `knows_renewal`: its version has the type for that.
    """
    previous_last = -1
    highest = RENEW if knows_renewal else REJECT
    for batch in batches:
        first, last, types = batch.first_offset, batch.last_offset, batch.acknowledge_types
        if (
            first > last
            or first < previous_last
            or not types
            or (len(types) > 1 and last - first != len(types) - 1)
            or not all(0 <= kind <= highest for kind in types)
            or (RENEW in types and not is_renewal)
        ):
            raise KafkaError(ErrorCode.INVALID_REQUEST)
        previous_last = last


def acknowledge(
    partition: SharePartition, member_id: str, batches: Sequence[AcknowledgementBatch], now_ms: int
) -> Update:
    """Begin to move the records on; renewed locks count at once.

    Raises INVALID_REQUEST (offsets that were never acquired), INVALID_RECORD_STATE (not acquired, or not by this
    member, or on their way already; renewal is disabled).
    """
    limits = partition.limits()
    update = Update(limits.max_deliveries)
    acknowledgement = _Acknowledgement(partition, member_id, update, now_ms)
    try:
        for batch in batches:
            if batch.last_offset >= partition.start_offset:
                acknowledgement.of(batch)
    except KafkaError:
        partition.complete(update, stored=False, now_ms=now_ms)
        raise
    return update


class _Acknowledgement:
    """One request's say about one partition."""

    __slots__ = ("_limits", "_member_id", "_now_ms", "_partition", "_update")

    def __init__(self, partition: SharePartition, member_id: str, update: Update, now_ms: int) -> None:
        self._partition = partition
        self._limits = partition.limits()
        self._member_id = member_id
        self._update = update
        self._now_ms = now_ms

    def of(self, said: AcknowledgementBatch) -> None:
        """One batch of acknowledgements, over the batches in flight that it touches."""
        start = self._partition.start_offset
        parts = _parts(said)
        for batch in self._touched(said):
            if batch.last < start:
                continue
            if not batch.is_split:
                self._check_owner(batch.whole)
            is_whole = batch.first >= said.first_offset and batch.last <= said.last_offset
            if is_whole and not batch.is_split and len(said.acknowledge_types) == 1 and batch.first >= start:
                self._apply(batch.whole, parts[0].type)
                continue
            for part in parts:
                first, last = max(part.first, start, batch.first), min(part.last, batch.last)
                if first <= last:
                    for run in batch.between(first, last):
                        self._check_owner(run)
                        self._apply(run, part.type)

    def _touched(self, said: AcknowledgementBatch) -> list[Batch]:
        in_flight, start = self._partition.in_flight, self._partition.start_offset
        floor = in_flight.floor(said.first_offset)
        if floor is None and said.first_offset < start <= said.last_offset:
            floor = in_flight.floor(start)
        if floor is None:
            raise KafkaError(
                ErrorCode.INVALID_RECORD_STATE, "The request batch offsets are not found: nobody has acquired them."
            )
        touched = in_flight.between(floor.first, said.last_offset)
        if touched[-1].last < said.first_offset:
            raise KafkaError(ErrorCode.INVALID_REQUEST, "The first offset in the request is past acquired records.")
        if touched[-1].last < said.last_offset:
            raise KafkaError(ErrorCode.INVALID_REQUEST, "The last offset in the request is past acquired records.")
        return touched

    def _check_owner(self, run: Run) -> None:
        if run.state != ACQUIRED or run.member_id == NO_MEMBER:
            text = "The record cannot be acknowledged. It is not in the acquired state."
        elif run.update is not None:
            text = "The record state is invalid. The acknowledgement of delivery could not be completed."
        elif run.member_id != self._member_id:
            text = "Member is not the owner of the record."
        else:
            return
        raise KafkaError(ErrorCode.INVALID_RECORD_STATE, text)

    def _apply(self, run: Run, kind: int) -> None:
        if kind != RENEW:
            state = STATE_AFTER[kind]
            is_spent = run.deliveries >= self._update.max_deliveries
            self._partition.begin(self._update, run, _after_release(state, is_spent))
            return
        if not self._limits.may_renew:
            raise KafkaError(ErrorCode.INVALID_RECORD_STATE, "Renewing acquisition locks is not enabled for the group.")
        run.deadline_ms = self._now_ms + self._limits.lock_duration_ms
        self._partition.note_deadline(run.deadline_ms)


def _after_release(state: int, is_spent: bool) -> int:
    """A record that was delivered often enough is not released but given up."""
    return ARCHIVED if state == AVAILABLE and is_spent else state


def _parts(said: AcknowledgementBatch) -> list[_Part]:
    """Runs of equal types."""
    types = said.acknowledge_types
    if len(types) == 1:
        return [_Part(said.first_offset, said.last_offset, types[0])]
    parts = []
    first = said.first_offset
    for kind, group in groupby(types):
        last = first + sum(1 for _ in group) - 1
        parts.append(_Part(first, last, kind))
        first = last + 1
    return parts
