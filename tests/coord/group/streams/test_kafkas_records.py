"""A partition of `__consumer_offsets` that Apache Kafka 4.3.1 wrote: a Streams group's life with copies of state, its
end as a classic group, and its beginning anew (`tests/coord/data`). What it says is understood, and said alike."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kwire.coord.formats import GROUP_FORMATS
from kwire.coord.group.shard import GroupShard
from kwire.coord.group.streams import records
from kwire.coord.group.streams.coordinator import streams_groups
from kwire.coord.group.streams.member import StreamsMember
from kwire.coord.group.streams.reconciliation import MemberState
from kwire.coord.group.streams.topology import Topology
from kwire.coord.records import CoordinatorRecord, decode_batches
from kwire.wire.codec import encode_prefixed
from kwire.wire.messages import streams_records as wire
from kwire.wire.record_batch import batches
from kwire.wire.records import read_records
from tests.coord.group.configs import group_config
from tests.coord.group.consumer_topics import TopicsForTests

LOG = gzip.decompress((Path(__file__).parents[2] / "data" / "streams_group_4.3.1.log.gz").read_bytes())


def facts() -> Iterator[tuple[CoordinatorRecord, bytes | None]]:
    """Every record, decoded, and the bytes of its value."""
    raw = [record.value for position, _ in batches(LOG) for record in read_records(LOG, position)]
    decoded = [record for batch in decode_batches(LOG, GROUP_FORMATS) for record in batch.records]
    yield from zip(decoded, raw, strict=True)


def said_again(key: Any, value: Any) -> CoordinatorRecord:
    """The record as kwire makes it from the fact in it."""
    member_id = getattr(key, "member_id", "")
    if isinstance(value, wire.StreamsGroupMetadataValue):
        options = {row.key: row.value for row in value.last_assignment_configs or ()}
        epoch = value.validated_topology_epoch
        return records.epoch_record(key.group_id, value.epoch, value.metadata_hash, epoch, options)
    if isinstance(value, wire.StreamsGroupTopologyValue):
        return records.topology_record(key.group_id, Topology(value))
    if isinstance(value, wire.StreamsGroupMemberMetadataValue):
        return records.description_record(key.group_id, StreamsMember(member_id, said=records.description_of(value)))
    if isinstance(value, wire.StreamsGroupCurrentMemberAssignmentValue):
        return records.current_tasks_record(key.group_id, StreamsMember(member_id, has=records.current_tasks_of(value)))
    if isinstance(value, wire.StreamsGroupTargetAssignmentMemberValue):
        return records.target_record(key.group_id, member_id, records.target_of(value))
    assert isinstance(value, wire.StreamsGroupTargetAssignmentMetadataValue)
    return records.target_epoch_record(key.group_id, value.assignment_epoch, value.assignment_timestamp)


def test_every_record_is_written_alike() -> None:
    kinds = set()
    for (key, value), raw in facts():
        if value is not None and type(key).__name__.startswith("StreamsGroup"):
            again = said_again(key, value)
            assert again.key == key
            assert encode_prefixed(again.value, 0) == raw
            kinds.add(type(value))
    assert len(kinds) == 6


def test_the_states_of_members_have_kafkas_numbers() -> None:
    """A member waits for others, gives back, waits again and is done: in this order, as its tasks show as well."""
    seen = [
        (key.member_id, MemberState(value.state), bool(value.active_tasks_pending_revocation))
        for (key, value), _ in facts()
        if isinstance(value, wire.StreamsGroupCurrentMemberAssignmentValue)
    ]
    assert seen[:6] == [
        ("a", MemberState.STABLE, False),
        ("b", MemberState.UNRELEASED_TASKS, False),
        ("a", MemberState.UNREVOKED_TASKS, True),
        ("a", MemberState.UNRELEASED_TASKS, False),
        ("a", MemberState.STABLE, False),
        ("b", MemberState.STABLE, False),
    ]


def test_the_group_lives_on() -> None:
    shard = GroupShard(group_config(), TopicsForTests())
    for record, _ in facts():
        shard.replay(record, -1, 0)
    shard.on_loaded(0)
    assert [(group.group_id, group.group_type) for group in shard.list_groups([], [])] == [("e", "streams")]
    group = streams_groups(shard).groups["e"]
    assert (group.state, group.group_epoch, group.assignment_epoch) == ("Stable", 2, 2)
    assert group.members["a"].has.assigned.active == {"0": dict.fromkeys(range(3), 2), "1": dict.fromkeys(range(3), 2)}
    assert shard.timers.deadline(("streams-session", "e", "a")) == 45_000
