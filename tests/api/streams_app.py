"""A Streams application as the tests of the API see it: a word count in two subtopologies, and a member's requests."""

from __future__ import annotations

from typing import Any

from kwire.wire.messages.streams_group_heartbeat import (
    KeyValue,
    StreamsGroupHeartbeatRequest,
    Subtopology,
    TaskIds,
    TopicInfo,
    Topology,
)

REPARTITION, CHANGELOG = "app-words-repartition", "app-counts-changelog"


def word_count(source: str = "lines", *, epoch: int = 0, partitions: int = 0, retention: str = "-1") -> Topology:
    """Subtopology 0 reads `source` and writes the repartition topic, 1 reads it and keeps a store."""
    return Topology(
        epoch=epoch,
        subtopologies=[
            Subtopology(
                subtopology_id="0",
                source_topics=[source],
                source_topic_regex=[],
                state_changelog_topics=[],
                repartition_sink_topics=[REPARTITION],
                repartition_source_topics=[],
                copartition_groups=[],
            ),
            Subtopology(
                subtopology_id="1",
                source_topics=[],
                source_topic_regex=[],
                state_changelog_topics=[
                    TopicInfo(
                        name=CHANGELOG,
                        partitions=0,
                        replication_factor=0,
                        topic_configs=[KeyValue(key="cleanup.policy", value="compact")],
                    )
                ],
                repartition_sink_topics=[],
                repartition_source_topics=[
                    TopicInfo(
                        name=REPARTITION,
                        partitions=partitions,
                        replication_factor=0,
                        topic_configs=[
                            KeyValue(key="cleanup.policy", value="delete"),
                            KeyValue(key="retention.ms", value=retention),
                        ],
                    )
                ],
                copartition_groups=[],
            ),
        ],
    )


def joining(**changes: Any) -> StreamsGroupHeartbeatRequest:
    """The first heartbeat of member `m`, in process `p`."""
    fields: dict[str, Any] = {
        "group_id": "app",
        "member_id": "m",
        "member_epoch": 0,
        "endpoint_information_epoch": 0,
        "rebalance_timeout_ms": 60_000,
        "topology": word_count(),
        "active_tasks": [],
        "standby_tasks": [],
        "warmup_tasks": [],
        "process_id": "p",
        "client_tags": [],
    }
    return StreamsGroupHeartbeatRequest(**{**fields, **changes})


def beat(epoch: int, has: dict[str, list[int]] | None = None, **changes: Any) -> StreamsGroupHeartbeatRequest:
    """A later heartbeat, with the active tasks that the member has if it says so."""
    tasks = None if has is None else [TaskIds(subtopology_id=name, partitions=part) for name, part in has.items()]
    fields: dict[str, Any] = {
        "group_id": "app",
        "member_id": "m",
        "member_epoch": epoch,
        "endpoint_information_epoch": 0,
        "active_tasks": tasks,
        "standby_tasks": None if has is None else [],
        "warmup_tasks": None if has is None else [],
    }
    return StreamsGroupHeartbeatRequest(**{**fields, **changes})


def tasks(messages: Any) -> dict[str, list[int]] | None:
    """Tasks by subtopology, as a message names them."""
    return None if messages is None else {message.subtopology_id: message.partitions for message in messages}


def statuses(response: Any) -> list[tuple[int, str]]:
    """The codes and texts of a heartbeat's answer."""
    return [(status.status_code, status.status_detail) for status in response.status]
