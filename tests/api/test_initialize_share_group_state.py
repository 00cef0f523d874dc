"""InitializeShareGroupState: share partitions begin, and begin anew with a newer state epoch only."""

from __future__ import annotations

from kwire.errors import ErrorCode
from kwire.wire.messages.initialize_share_group_state import InitializeShareGroupStateRequest, InitializeStateData
from tests.api.served import Served
from tests.api.share_states import States


def test_a_partition_begins_anew(served: Served) -> None:
    states = States(served, served.create_topic("t"))
    assert states.initialize(state_epoch=3, start_offset=7).error_code == ErrorCode.NONE
    states.write((7, 9, 2, 1), state_epoch=3)
    assert states.initialize(state_epoch=2).error_code == ErrorCode.FENCED_STATE_EPOCH
    assert states.initialize(state_epoch=4, start_offset=20).error_code == ErrorCode.NONE
    found = states.read()
    assert (found.state_epoch, found.start_offset, found.state_batches) == (4, 20, [])


def test_partitions_that_do_not_exist(served: Served) -> None:
    states = States(served, served.create_topic("t"))
    assert states.initialize(partition=1).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert states.initialize(partition=-1).error_code == ErrorCode.INVALID_REQUEST
    assert States(served, b"\x05" * 16).initialize().error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_requests_about_nothing(served: Served) -> None:
    topic_id = served.create_topic("t")
    empty = InitializeStateData(topic_id=topic_id, partitions=[])
    for group, topics in (("", [empty]), ("g", []), ("g", [empty])):
        request = InitializeShareGroupStateRequest(group_id=group, topics=topics)
        assert served.call(request, 0).results == []
