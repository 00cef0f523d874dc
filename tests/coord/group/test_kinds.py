"""Kinds of groups beside classic and consumer groups: found by group, record and timer, and loaded when first met."""

from __future__ import annotations

import subprocess
import sys

from kwire.coord.group.kinds import KINDS, RECORD_PREFIXES, GroupKinds
from kwire.coord.group.modern.topics import NoTopics
from kwire.coord.records import CoordinatorRecord
from kwire.coord.timers import Timers
from kwire.wire.messages.consumer_group_records import ConsumerGroupMetadataKey
from kwire.wire.messages.streams_records import StreamsGroupMetadataKey, StreamsGroupMetadataValue
from tests.coord.group.configs import group_config


def kinds() -> GroupKinds:
    return GroupKinds(Timers(), group_config(), NoTopics())


def epoch(group_id: str) -> CoordinatorRecord:
    return CoordinatorRecord(
        StreamsGroupMetadataKey(group_id=group_id),
        StreamsGroupMetadataValue(epoch=3, metadata_hash=0, validated_topology_epoch=0, last_assignment_configs=[]),
    )


def test_a_kind_is_met_with_its_first_record() -> None:
    known = kinds()
    assert known.met("streams") is None
    assert known.of_record(ConsumerGroupMetadataKey(group_id="g")) is None
    assert known.of_timer(("streams-session", "g", "m")) is None
    assert list(known) == []
    record = epoch("g")
    kind = known.of_record(record.key)
    assert kind is not None
    kind.replay(record)
    assert list(known) == [kind] == [known.met("streams")]
    assert known.of_group("g") is known.of_timer(("streams-session", "g", "m")) is kind
    assert known.of_timer(("consumer-session", "g", "m")) is None
    assert known.of_group("h") is known.group("h") is None
    group = known.group("g")
    assert group is not None
    assert (group.group_id, group.state, group.is_empty) == ("g", "Empty", True)
    for record in group.tombstones():
        kind.replay(record)
    assert known.group("g") is None


def test_every_kind_has_its_records() -> None:
    assert set(RECORD_PREFIXES.values()) == set(KINDS)
    for name in KINDS:
        assert kinds().kind(name).groups == {}


def test_states_and_types_are_filtered_without_case() -> None:
    known = kinds()
    record = epoch("g")
    kind = known.of_record(record.key)
    assert kind is not None
    kind.replay(record)
    for states, types in (([], []), (["EMPTY"], ["Streams"]), (["not_ready", "empty "], [])):
        assert [group.group_id for group in known.list_groups(states, types)] == ["g"]
    assert known.list_groups(["stable"], []) == known.list_groups([], ["classic"]) == []


def test_a_broker_without_such_groups_does_not_load_them() -> None:
    script = (
        "import sys, kwire.coord.group.coordinator\n"
        "rare = ('kwire.coord.group.streams', 'kwire.wire.messages.streams')\n"
        "print([name for name in sys.modules if name.startswith(rare)])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
