"""WriteShareGroupState: changes are combined, and written by the leader of today only."""

from __future__ import annotations

import asyncio

from kwire.coord.share.coordinator import SHARE_GROUP_STATE_TOPIC
from kwire.errors import ErrorCode
from tests.api.served import Served
from tests.api.share_states import States, batches_of


def test_changes_are_combined(served: Served) -> None:
    states = States(served, served.create_topic("t"))
    states.initialize()
    assert states.write((0, 9, 0, 1), start_offset=0).error_code == ErrorCode.NONE
    states.write((5, 6, 2, 1), complete=2)
    assert batches_of(states.read()) == [(0, 4, 0, 1), (5, 6, 2, 1), (7, 9, 0, 1)]
    states.write((0, 6, 2, 2), start_offset=7)
    found = states.read()
    assert (found.start_offset, batches_of(found)) == (7, [(7, 9, 0, 1)])


def test_who_must_not_write(served: Served) -> None:
    states = States(served, served.create_topic("t"))
    refused = states.write((0, 0, 2, 1))
    assert (refused.error_code, refused.error_message) == (
        ErrorCode.INVALID_REQUEST,
        "Write operation on uninitialized share partition not allowed.",
    )
    states.initialize(state_epoch=2)
    assert states.write(state_epoch=1).error_code == ErrorCode.FENCED_STATE_EPOCH
    assert states.write(state_epoch=-1, leader_epoch=-1).error_code == ErrorCode.NONE
    assert states.write(partition=-3).error_code == ErrorCode.INVALID_REQUEST


def test_many_updates_make_a_snapshot() -> None:
    served = Served({"share.coordinator.snapshot.update.records.per.snapshot": "2"})
    try:
        states = States(served, served.create_topic("t"))
        states.initialize()
        for offset in range(6):
            states.write((offset, offset, 2, 1))
        assert batches_of(states.read()) == [(0, 5, 2, 1)]
    finally:
        served.close()


def test_what_snapshots_make_unnecessary_goes() -> None:
    served = Served(
        {
            "share.coordinator.snapshot.update.records.per.snapshot": "0",
            "share.coordinator.state.topic.num.partitions": "1",
            "share.coordinator.state.topic.prune.interval.ms": "10",
        }
    )
    try:
        states = States(served, served.create_topic("t"))
        states.initialize()
        log = served.log(SHARE_GROUP_STATE_TOPIC)
        for offset in range(100):
            states.write((offset, offset, 2, 1), start_offset=offset)
            served.clock.advance(10)
            served.run(asyncio.sleep(0.003))
            if log.log_start_offset > 5:
                break
        assert 5 < log.log_start_offset < log.log_end_offset
        assert states.read().start_offset == offset
    finally:
        served.close()
