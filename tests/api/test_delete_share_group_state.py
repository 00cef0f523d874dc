"""DeleteShareGroupState: what is deleted is gone, and deleting it again is no error."""

from __future__ import annotations

from kwire.errors import ErrorCode
from tests.api.served import Served
from tests.api.share_states import States


def test_states_are_deleted(served: Served) -> None:
    states = States(served, served.create_topic("t"))
    states.initialize()
    assert states.delete().error_code == ErrorCode.NONE
    assert states.delete().error_code == ErrorCode.NONE
    assert states.read().error_code == ErrorCode.INVALID_REQUEST
    assert states.delete(partition=4).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert states.delete(partition=-4).error_code == ErrorCode.INVALID_REQUEST
