"""Transactions that one broker leaves under way and the other one ends: records and a group's offsets in each.

Raw requests by the rules of 3.9 (no `transaction.version` 2): the owners keep their producer ids, epochs and sequences
over the swap and are not told of it. One commits, one aborts, and both go on with another transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from compat_tests.disk.client import LATEST, PRODUCE_VERSION, Client, check, wait_until
from compat_tests.disk.served import served_transaction
from compat_tests.disk.workload import START_MS
from kwire.errors import ErrorCode
from kwire.wire.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from kwire.wire.messages.add_partitions_to_txn import AddPartitionsToTxnRequest, AddPartitionsToTxnTopic
from kwire.wire.messages.end_txn import EndTxnRequest
from kwire.wire.messages.init_producer_id import InitProducerIdRequest
from kwire.wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestTopic
from kwire.wire.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from kwire.wire.records import build_batch

TOPICS = {True: "ongoing-committed", False: "ongoing-aborted"}
"""By how its transaction will end, the topic that it writes to; its group and its transactional id are called alike."""

TIMEOUT_MS = 3_600_000
_SOURCE = "v2-none"
"""The topic whose offsets the groups commit."""
_RECORDS = 5
_BEFORE, _WITHIN = 11, 22
"""The offsets that were committed before the transaction, and in it."""


class Owner(NamedTuple):
    """A transactional producer, as it knows itself."""

    name: str
    producer_id: int
    producer_epoch: int
    sequence: int
    """Of its next record."""

    def records(self) -> tuple[bytes, Owner]:
        """A batch, and the producer after it."""
        made = build_batch(
            [(START_MS, b"key", b"record %d" % (self.sequence + i), ()) for i in range(_RECORDS)],
            producer_id=self.producer_id,
            producer_epoch=self.producer_epoch,
            base_sequence=self.sequence,
            transactional=True,
        )
        return bytes(made), self._replace(sequence=self.sequence + _RECORDS)


def leave(client: Client) -> dict[bool, Owner]:
    """A transaction under way for each ending; the topics have to be there."""
    owners = {}
    for ending, name in TOPICS.items():
        client.await_coordinator(name, key_type=1)
        client.commit(name, _SOURCE, {0: (_BEFORE, 0, "before")})
        request = InitProducerIdRequest(transactional_id=name, transaction_timeout_ms=TIMEOUT_MS)
        owner = client.retrying(lambda request=request: _initialised(client, request))  # type: ignore[misc]
        owners[ending] = _transaction(client, owner)
    return owners


def _initialised(client: Client, request: InitProducerIdRequest) -> Owner:
    answer = client.call(request, 4)
    assert request.transactional_id is not None
    check(answer.error_code, f"producer id of {request.transactional_id}")
    return Owner(request.transactional_id, answer.producer_id, answer.producer_epoch, 0)


def _transaction(client: Client, owner: Owner) -> Owner:
    """Records and offsets in one transaction, which is not ended."""
    name, producer_id, epoch, _ = owner
    partitions = AddPartitionsToTxnRequest(
        v3_and_below_transactional_id=name,
        v3_and_below_producer_id=producer_id,
        v3_and_below_producer_epoch=epoch,
        v3_and_below_topics=[AddPartitionsToTxnTopic(name=name, partitions=[0])],
    )
    offsets = AddOffsetsToTxnRequest(
        transactional_id=name, producer_id=producer_id, producer_epoch=epoch, group_id=name
    )
    position = TxnOffsetCommitRequestPartition(
        partition_index=0, committed_offset=_WITHIN, committed_leader_epoch=0, committed_metadata="within"
    )
    commit = TxnOffsetCommitRequest(
        transactional_id=name,
        group_id=name,
        producer_id=producer_id,
        producer_epoch=epoch,
        topics=[TxnOffsetCommitRequestTopic(name=_SOURCE, partitions=[position])],
    )

    def add_partitions() -> None:
        answer = client.call(partitions, 3)
        check(answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code, f"add to {name}")

    def add_offsets() -> None:
        check(client.call(offsets, 3).error_code, f"add offsets to {name}")

    def commit_offsets() -> None:
        check(client.call(commit, 3).topics[0].partitions[0].error_code, f"offsets of {name}")

    client.retrying(add_partitions)
    records, after = owner.records()
    client.produce(name, 0, records, version=PRODUCE_VERSION, transactional_id=name)
    client.retrying(add_offsets)
    client.retrying(commit_offsets)
    return after


def _end(client: Client, owner: Owner, ending: bool) -> None:
    """Commit or abort, until the markers are there."""
    request = EndTxnRequest(
        transactional_id=owner.name,
        producer_id=owner.producer_id,
        producer_epoch=owner.producer_epoch,
        committed=ending,
    )
    client.await_coordinator(owner.name, key_type=1)
    client.retrying(lambda: check(client.call(request, 3).error_code, f"end of {owner.name}"))
    complete = "CompleteCommit" if ending else "CompleteAbort"
    wait_until(lambda: served_transaction(client, owner.name).state == complete, f"the end of {owner.name}")


def _stable_offset(client: Client, group: str) -> tuple[int, int]:
    """(error code, offset) for somebody who wants no offset of which it is not decided whether it counts (KIP-447)."""
    topics = [OffsetFetchRequestTopic(name=_SOURCE, partition_indexes=[0])]
    client.await_coordinator(group)
    answer = client.call(OffsetFetchRequest(group_id=group, topics=topics, require_stable=True), 7)
    check(answer.error_code, f"offsets of {group}")
    found = answer.topics[0].partitions[0]
    return int(found.error_code), int(found.committed_offset)


def went_on(client: Client, owners: Mapping[bool, Owner]) -> list[str]:
    """Each owner ends what it left under way at another broker, and writes on: what is wrong with the outcome."""
    problems: list[str] = []

    def expect(what: str, expected: object, found: object) -> None:
        if found != expected:
            problems.append(f"{what}: expected {expected}, found {found}")

    for ending, owner in owners.items():
        name = owner.name
        expect(f"the state of {name}", "Ongoing", served_transaction(client, name).state)
        expect(f"the offset of {name}", (ErrorCode.UNSTABLE_OFFSET_COMMIT, -1), _stable_offset(client, name))
        expect(f"the stable end of {name}", 0, client.offset_at(name, 0, LATEST, committed=True)[1])
        _end(client, owner, ending)
        expect(f"the offset of {name} then", (0, _WITHIN if ending else _BEFORE), _stable_offset(client, name))
        _end(client, _transaction(client, owner), True)
        expect(f"the offset of {name} at last", (0, _WITHIN), _stable_offset(client, name))
        end = client.offset_at(name, 0, LATEST)[1]
        expect(f"the stable end of {name} at last", end, client.offset_at(name, 0, LATEST, committed=True)[1])
        aborted = client.fetch(name, 0, 0, committed=True).aborted_transactions or []
        shown = [(each.producer_id, each.first_offset) for each in aborted]
        expect(f"what is aborted in {name}", [] if ending else [(owner.producer_id, 0)], shown)
    return problems
