"""ReadShareGroupStateSummary: where partitions stand, known or not."""

from __future__ import annotations

from kwire.errors import ErrorCode
from tests.api.served import Served
from tests.api.share_states import States


def test_summaries(served: Served) -> None:
    states = States(served, served.create_topic("t"))
    unknown = states.summary()
    assert (unknown.error_code, unknown.start_offset, unknown.state_epoch, unknown.delivery_complete_count) == (
        ErrorCode.NONE,
        -1,
        0,
        -1,
    )
    states.initialize(start_offset=3)
    states.write((3, 4, 2, 1), complete=2, start_offset=3)
    known = states.summary()
    assert (known.start_offset, known.state_epoch, known.delivery_complete_count) == (3, 1, 2)
    assert states.summary(partition=3).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert states.summary(partition=-1).error_code == ErrorCode.INVALID_REQUEST
