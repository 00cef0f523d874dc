"""ReadShareGroupState: the newest leader reads, and nobody older does afterwards."""

from __future__ import annotations

from kwire.errors import ErrorCode
from tests.api.served import Served
from tests.api.share_states import States


def test_leaders_follow_each_other(served: Served) -> None:
    states = States(served, served.create_topic("t"))
    refused = states.read()
    assert (refused.error_code, refused.error_message) == (
        ErrorCode.INVALID_REQUEST,
        "Read operation on uninitialized share partition not allowed.",
    )
    states.initialize(start_offset=-1)
    found = states.read(leader_epoch=5)
    assert (found.error_code, found.state_epoch, found.start_offset) == (ErrorCode.NONE, 1, -1)
    assert states.read(leader_epoch=4).error_code == ErrorCode.FENCED_LEADER_EPOCH
    assert states.write(leader_epoch=4).error_code == ErrorCode.FENCED_LEADER_EPOCH
    assert states.read(leader_epoch=5).error_code == ErrorCode.NONE
    assert states.summary().leader_epoch == 5
    assert states.read(partition=-1).error_code == ErrorCode.INVALID_REQUEST
