"""DeleteShareGroupOffsets, and DeleteGroups of share groups: states go with them."""

from __future__ import annotations

from typing import Any

from kwire.errors import ErrorCode
from kwire.wire.messages.delete_groups import DeleteGroupsRequest
from kwire.wire.messages.delete_share_group_offsets import (
    DeleteShareGroupOffsetsRequest,
    DeleteShareGroupOffsetsRequestTopic,
)
from kwire.wire.messages.list_groups import ListGroupsRequest
from tests.api.served import Served, batch
from tests.api.share_client import ACCEPT, acquired, joined
from tests.api.share_states import States
from tests.api.test_describe_share_group_offsets import describe
from tests.api.test_share_group_heartbeat import consumer


def delete(served: Served, *topics: str, group: str = "g") -> Any:
    asked = [DeleteShareGroupOffsetsRequestTopic(topic_name=topic) for topic in topics]
    return served.call(DeleteShareGroupOffsetsRequest(group_id=group, topics=asked), 0)


def read_to_the_end(served: Served, topic_id: bytes) -> Any:
    client = joined(served, "t", "u")
    client.fetch(topic_id)
    client.fetch(about=(topic_id, 0), said=[(0, 0, ACCEPT)])
    return client


def test_a_topic_is_forgotten(served: Served) -> None:
    topic_id = served.create_topic("t")
    served.create_topic("u")
    served.fill("t", batch(b"a"))
    client = read_to_the_end(served, topic_id)
    assert delete(served, "t").error_code == ErrorCode.NON_EMPTY_GROUP
    client.beat(epoch=-1)
    answers = {topic.topic_name: topic.error_code for topic in delete(served, "t", "unknown").responses}
    assert answers == {"t": ErrorCode.NONE, "unknown": ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}
    assert [topic.topic_name for topic in describe(served).topics] == ["u"]
    (again,) = delete(served, "t").responses
    assert again.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    # Whoever comes next begins anew.
    assert acquired(joined(served, "t", member="n").fetch(topic_id)) == [(0, 0, 1)]


def test_what_is_refused(served: Served) -> None:
    served.create_topic("t")
    joined(served, "t", group="other")
    assert delete(served, "t", group="").error_code == ErrorCode.INVALID_GROUP_ID
    assert delete(served, "t", group="nobody").error_code == ErrorCode.GROUP_ID_NOT_FOUND
    served.call(consumer("c"), 1)
    assert delete(served, "t", group="c").error_code == ErrorCode.GROUP_ID_NOT_FOUND


def test_a_group_is_deleted_with_its_states(served: Served) -> None:
    topic_id = served.create_topic("t")
    served.create_topic("u")
    served.fill("t", batch(b"a"))
    client = read_to_the_end(served, topic_id)
    served.call(consumer("c"), 1)
    request = DeleteGroupsRequest(groups_names=["g", "nobody", "c"])
    answers = {result.group_id: result.error_code for result in served.call(request, 2).results}
    assert answers == {
        "g": ErrorCode.NON_EMPTY_GROUP,
        "nobody": ErrorCode.GROUP_ID_NOT_FOUND,
        "c": ErrorCode.NON_EMPTY_GROUP,
    }
    client.beat(epoch=-1)
    (result,) = served.call(DeleteGroupsRequest(groups_names=["g"]), 2).results
    assert (result.group_id, result.error_code) == ("g", ErrorCode.NONE)
    listed = served.call(ListGroupsRequest(states_filter=[], types_filter=["share"]), 5).groups
    assert listed == []
    assert States(served, topic_id).summary().start_offset == -1
    assert acquired(joined(served, "t", member="n").fetch(topic_id)) == [(0, 0, 1)]
