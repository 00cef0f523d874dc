"""Offsets of partitions: where they begin and end, and which one belongs to a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from kwire.cli.client import Client, ClientError, check
from kwire.ids import TopicPartition
from kwire.wire.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from kwire.wire.record_codec import MAX_INT64

LATEST: Final = -1
EARLIEST: Final = -2

_OLD_STYLE: Final = 0


def list_offsets(client: Client, wanted: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
    """The offset of each partition at a time in ms, EARLIEST or LATEST; -1 when no record is that young.

    Asks each leader once. Raises RequestFailed.
    """
    return client.retrying(lambda: _list_offsets_once(client, wanted))


def _list_offsets_once(client: Client, wanted: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
    found: dict[TopicPartition, int] = {}
    for leader, partitions in by_leader(client, wanted).items():
        connection = client.broker(leader)
        version = connection.version(ListOffsetsRequest)
        topics: dict[str, list[ListOffsetsPartition]] = defaultdict(list)
        for topic, partition in partitions:
            timestamp = wanted[TopicPartition(topic, partition)]
            topics[topic].append(ListOffsetsPartition(partition_index=partition, timestamp=timestamp))
        request = ListOffsetsRequest(
            replica_id=-1, topics=[ListOffsetsTopic(name=name, partitions=entries) for name, entries in topics.items()]
        )
        for answer in connection.call(request, version=version).topics:
            for entry in answer.partitions:
                tp = TopicPartition(answer.name, entry.partition_index)
                check(entry.error_code, None, f"the offsets of {tp}")
                old = entry.old_style_offsets[0] if entry.old_style_offsets else -1
                found[tp] = old if version == _OLD_STYLE else entry.offset
    return found


def by_leader(client: Client, partitions: Iterable[TopicPartition]) -> dict[int, list[TopicPartition]]:
    """Partitions grouped by the broker that leads them now. Raises RequestFailed for one without a leader."""
    grouped: dict[int, list[TopicPartition]] = defaultdict(list)
    wanted = list(partitions)
    leaders: dict[TopicPartition, int] = {}
    for name in {tp.topic for tp in wanted}:
        for partition in client.topic(name).partitions:
            leaders[TopicPartition(name, partition.number)] = partition.leader
    for tp in wanted:
        if tp not in leaders:
            raise ClientError(f"topic {tp.topic} has no partition {tp.partition}")
        grouped[leaders[tp]].append(tp)
    return grouped


def ranges(client: Client, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, tuple[int, int]]:
    """First offset and end offset (that of the next record) of each partition."""
    wanted = list(partitions)
    starts = list_offsets(client, dict.fromkeys(wanted, EARLIEST))
    ends = list_offsets(client, dict.fromkeys(wanted, LATEST))
    return {tp: (starts[tp], ends[tp]) for tp in wanted}


def parse_time_ms(text: str) -> int:
    """Milliseconds since 1970 of a text: such a number, or a date and time of ISO 8601 (local time if it says none).

    Raises ClientError.
    """
    if text.isascii() and text.isdigit() and len(text) < len(str(MAX_INT64)):
        return int(text)
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise ClientError(f"{text!r} is not a time; write milliseconds since 1970, or like 2026-01-31T12:00") from None
