"""The stages of states: what there is to delete."""

from __future__ import annotations

from kwire.coord.group.share.initialization import states_to_delete
from kwire.coord.group.share.records import StateStages, TopicStates
from tests.coord.group.consumer_topics import TopicsForTests


def test_states_of_topics_that_are_gone_are_gone_with_them() -> None:
    topics = TopicsForTests()
    topics.put("kept", 2)
    (kept,) = [topic.topic_id for topic in topics.topics.values()]
    gone, other, third = b"g" * 16, b"o" * 16, b"x" * 16
    stages = StateStages(
        {gone: TopicStates("gone", frozenset({0}))},
        {other: TopicStates("other", frozenset({0})), kept: TopicStates("kept", frozenset({0}))},
        {third: "third"},
    )
    assert states_to_delete(stages, topics) == {kept: TopicStates("kept", frozenset({0}))}
    assert states_to_delete(StateStages({}, {}, {kept: "kept"}), topics) == {
        kept: TopicStates("kept", frozenset({0, 1}))
    }
