"""What a topology comes to over the topics there are: numbers of partitions and tasks, what is missing or wrong."""

from __future__ import annotations

from typing import Any

import pytest

from kwire.coord.group.streams.internal_topics import ConfiguredTopology, Status, configure
from kwire.coord.group.streams.topology import topology_of
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.streams_group_heartbeat import CopartitionGroup, Subtopology, TopicInfo, Topology
from kwire.wire.messages.streams_group_heartbeat import KeyValue as Setting
from tests.coord.group.consumer_topics import TopicsForTests
from tests.coord.group.streams.player import internal, subtopology


def configured(parts: list[Subtopology], **topics: int) -> ConfiguredTopology:
    known = TopicsForTests()
    for name, count in topics.items():
        known.put(name, count)
    return configure(topology_of(Topology(epoch=0, subtopologies=parts)), known)


def together(sources: list[int], repartitions: list[int]) -> CopartitionGroup:
    return CopartitionGroup(source_topics=sources, source_topic_regex=[], repartition_source_topics=repartitions)


def problem(topology: ConfiguredTopology) -> tuple[Status, str]:
    assert topology.problem is not None
    return topology.problem.status, topology.problem.text


def widths(topology: ConfiguredTopology) -> dict[str, int]:
    return {
        name: topic.partitions
        for part in topology.subtopologies.values()
        for name, topic in (*part.repartition_sources.items(), *part.changelogs.items())
    }


def test_a_repartition_topic_is_as_wide_as_what_is_written_to_it_from() -> None:
    """Through two repartition topics in a row, whatever the order in which the subtopologies come."""
    parts = [
        subtopology("2", repartition_source_topics=[internal("r2")], state_changelog_topics=[internal("c")]),
        subtopology("1", repartition_source_topics=[internal("r1")], repartition_sink_topics=["r2"]),
        subtopology("0", source_topics=["s", "w"], repartition_sink_topics=["r1"]),
    ]
    topology = configured(parts, s=3, w=5)
    assert widths(topology) == {"r1": 5, "r2": 5, "c": 5}
    assert [part.task_count for part in topology.subtopologies.values()] == [5, 5, 5]
    assert problem(topology) == (Status.MISSING_INTERNAL_TOPICS, "Internal topics are missing: c, r1, r2")
    assert [part.is_stateful for part in topology.subtopologies.values()] == [False, False, True]


def test_a_fixed_number_goes_before() -> None:
    parts = [
        subtopology("0", source_topics=["s"], repartition_sink_topics=["r"]),
        subtopology("1", repartition_source_topics=[internal("r", 7)]),
    ]
    topology = configured(parts, s=3)
    assert widths(topology) == {"r": 7}
    assert [part.task_count for part in topology.subtopologies.values()] == [3, 7]


def test_what_is_there_already_needs_no_creation() -> None:
    info = TopicInfo(
        name="c", partitions=0, replication_factor=2, topic_configs=[Setting(key="cleanup.policy", value="compact")]
    )
    parts = [subtopology("0", source_topics=["s"], state_changelog_topics=[info])]
    assert configured(parts, s=2, c=2).is_ready
    (missing,) = configured(parts, s=2).missing
    assert missing == ("c", 2, 2, {"cleanup.policy": "compact"})
    (default,) = configured(
        [subtopology("0", source_topics=["s"], state_changelog_topics=[internal("c")])], s=2
    ).missing
    assert default.replication_factor == -1


def test_joined_topics_have_one_width() -> None:
    sources = [subtopology("0", source_topics=["s", "u"], copartition_groups=[together([0, 1], [])])]
    assert configured(sources, s=2, u=2).is_ready
    text = "Following topics do not have the same number of partitions: [{s=2, u=3}]"
    assert problem(configured(sources, s=2, u=3)) == (Status.INCORRECTLY_PARTITIONED_TOPICS, text)


def test_a_repartition_topic_follows_the_topic_that_it_is_joined_with() -> None:
    def parts(fixed: int = 0) -> list[Subtopology]:
        return [
            subtopology("0", source_topics=["s"], repartition_sink_topics=["r"]),
            subtopology(
                "1",
                source_topics=["u"],
                repartition_source_topics=[internal("r", fixed)],
                copartition_groups=[together([0], [0])],
            ),
        ]

    assert widths(configured(parts(), s=8, u=3)) == {"r": 3}
    assert widths(configured(parts(3), s=8, u=3)) == {"r": 3}
    text = (
        "Number of partitions [4] of repartition topic [r] doesn't match number of partitions [3] of the source topic."
    )
    assert problem(configured(parts(4), s=8, u=3)) == (Status.INCORRECTLY_PARTITIONED_TOPICS, text)


def test_joined_repartition_topics_are_as_wide_as_the_widest_or_as_fixed() -> None:
    def parts(first: int = 0, second: int = 0) -> list[Subtopology]:
        return [
            subtopology("0", source_topics=["s"], repartition_sink_topics=["r1"]),
            subtopology("1", source_topics=["u"], repartition_sink_topics=["r2"]),
            subtopology(
                "2",
                repartition_source_topics=[internal("r1", first), internal("r2", second)],
                state_changelog_topics=[internal("c")],
                copartition_groups=[together([], [0, 1]), together([], [])],
            ),
        ]

    assert widths(configured(parts(), s=2, u=5)) == {"r1": 5, "r2": 5, "c": 5}
    assert widths(configured(parts(first=4), s=2, u=5)) == {"r1": 4, "r2": 4, "c": 4}
    text = "Following topics do not have the same number of partitions: [{r1=4, r2=6}]"
    assert problem(configured(parts(4, 6), s=2, u=5)) == (Status.INCORRECTLY_PARTITIONED_TOPICS, text)


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (
            [
                subtopology("0", repartition_source_topics=[internal("r1")], repartition_sink_topics=["r2"]),
                subtopology("1", repartition_source_topics=[internal("r2")], repartition_sink_topics=["r1"]),
            ],
            "loop",
        ),
        ([subtopology("0", source_topics=["s"], repartition_source_topics=[internal("r")])], "nothing writes to"),
        ([subtopology("0", state_changelog_topics=[internal("c")])], "No source topics found for subtopology 0"),
        ([subtopology("0")], "No source topics found for subtopology 0"),
        ([subtopology("0", source_topics=["s"]), subtopology("0", source_topics=["s"])], "more than once"),
        ([subtopology("0", source_topics=["s"], copartition_groups=[together([1], [])])], "does not have"),
        ([subtopology("0", source_topics=["s"], copartition_groups=[together([-1], [])])], "does not have"),
        ([subtopology("0", source_topics=["s"], copartition_groups=[together([], [0])])], "does not have"),
        ([subtopology("0", source_topics=["s"], repartition_source_topics=[internal("r", -3)])], "cannot have -3"),
    ],
)
def test_topologies_that_never_work(parts: list[Subtopology], text: str) -> None:
    with pytest.raises(KafkaError, match=text) as refused:
        configured(parts, s=2)
    assert refused.value.code is ErrorCode.STREAMS_INVALID_TOPOLOGY


def test_topologies_are_equal_in_any_order() -> None:
    def topology(*parts: Subtopology, **fields: Any) -> Any:
        return topology_of(Topology(**{"epoch": 0, **fields}, subtopologies=list(parts)))

    one, two = subtopology("0", source_topics=["s"]), subtopology("1", source_topics=["u"])
    assert topology(one, two) == topology(two, one)
    assert topology(one, two) != topology(one)
    assert topology(one, two) != topology(one, two, epoch=1)
    assert topology(one) != "a topology"
    assert topology(one, two).readers == {"s": "0", "u": "1"}
