"""TxnOffsetCommit: offsets that count with the transaction, by version, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from kwire.errors import ErrorCode
from kwire.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from kwire.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from kwire.wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestTopic
from tests.api.served import Served
from tests.api.txn_client import TxnClient


def committed(served: Served, *, stable: bool = False) -> tuple[int, int]:
    """The group's offset and error code."""
    request = OffsetFetchRequest(
        group_id="g", topics=[OffsetFetchRequestTopic(name="t", partition_indexes=[0])], require_stable=stable
    )
    (topic,) = served.call(request, 7).topics
    return topic.partitions[0].committed_offset, topic.partitions[0].error_code


@pytest.mark.parametrize("version", range(6))
@pytest.mark.parametrize("commits", [True, False])
def test_offsets_count_with_their_transaction(served: Served, version: int, commits: bool) -> None:
    served.create_topic("t")
    client = TxnClient(served)
    if version < 5:
        assert client.add_offsets() == ErrorCode.NONE
    else:
        assert client.commit_offset(1) == ErrorCode.NOT_COORDINATOR  # Nobody has asked for the group's coordinator yet.
        client.add_offsets()
    assert client.commit_offset(7, version=version) == ErrorCode.NONE
    assert committed(served) == (-1, 0)
    assert committed(served, stable=True) == (-1, ErrorCode.UNSTABLE_OFFSET_COMMIT)
    assert client.end(committed=commits, version=min(version, 5)) == ErrorCode.NONE
    assert committed(served, stable=True) == (7 if commits else -1, 0)


def test_a_later_commit_stays(served: Served) -> None:
    served.create_topic("t")
    client = TxnClient(served)
    client.add_offsets()
    assert client.commit_offset(7) == ErrorCode.NONE
    partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=9, committed_metadata="")
    by_hand = OffsetCommitRequest(
        group_id="g",
        generation_id_or_member_epoch=-1,
        member_id="",
        topics=[OffsetCommitRequestTopic(name="t", partitions=[partition])],
    )
    served.call(by_hand, 8)
    assert client.end() == ErrorCode.NONE
    assert committed(served, stable=True) == (9, 0)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"topic": "nowhere"}, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ({"partition": 4}, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ({"epoch": 5}, ErrorCode.INVALID_PRODUCER_EPOCH),
        ({"generation_id": 5, "member_id": "m"}, ErrorCode.ILLEGAL_GENERATION),
        ({"group": ""}, ErrorCode.INVALID_GROUP_ID),
    ],
)
def test_what_is_refused(served: Served, fields: dict[str, Any], code: ErrorCode) -> None:
    served.create_topic("t")
    client = TxnClient(served)
    client.add_offsets(group=fields.get("group", "g"))
    assert client.commit_offset(7, version=4, **fields) == code


@pytest.mark.parametrize(("version", "code"), [(3, ErrorCode.INVALID_TXN_STATE), (4, ErrorCode.TRANSACTION_ABORTABLE)])
def test_a_group_that_was_not_added(served: Served, version: int, code: ErrorCode) -> None:
    served.create_topic("t")
    client = TxnClient(served)
    client.add_offsets("g")
    other = next(f"g{n}" for n in range(99) if partition_of(served, f"g{n}") != partition_of(served, "g"))
    assert client.commit_offset(7, version=version, group=other) == code


def partition_of(served: Served, group: str) -> int:
    return served.broker.services.groups.partition_for(group)


@pytest.mark.parametrize("version", [3, 4, 5])
def test_a_group_without_a_name_joins_no_transaction(served: Served, version: int) -> None:
    served.create_topic("t")
    client = TxnClient(served)
    client.add_offsets("g")
    other = next(f"x{n}" for n in range(99) if partition_of(served, f"x{n}") != partition_of(served, ""))
    client.name = other
    assert client.commit_offset(7, version=version, group="") == ErrorCode.INVALID_GROUP_ID


def test_members_and_generations_are_checked(served: Served) -> None:
    served.create_topic("t")
    client = TxnClient(served)
    client.add_offsets()
    metadata = b"\x00\x00\x00\x00\x00\x01\x00\x01t\xff\xff\xff\xff"
    join = JoinGroupRequest(
        group_id="g",
        session_timeout_ms=10_000,
        rebalance_timeout_ms=1000,
        member_id="",
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range", metadata=metadata)],
    )
    joined = served.call(join, 3)
    member = {"member_id": joined.member_id, "generation_id": joined.generation_id}
    assert client.commit_offset(7, **{**member, "member_id": "ghost"}) == ErrorCode.UNKNOWN_MEMBER_ID
    assert client.commit_offset(7, **{**member, "generation_id": 9}) == ErrorCode.ILLEGAL_GENERATION
    assert client.commit_offset(7, **member, group_instance_id="i") == ErrorCode.UNKNOWN_MEMBER_ID
    assert client.commit_offset(7, **member) == ErrorCode.NONE  # A rebalance stops nobody here.
    assert client.commit_offset(8, version=2) == ErrorCode.NONE  # Older clients do not say who they are.
