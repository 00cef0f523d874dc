"""Where a share group stands in the partitions it reads."""

from __future__ import annotations

from typing import Any

from kwire.cli.client import Client, check
from kwire.wire.messages.describe_share_group_offsets import (
    DescribeShareGroupOffsetsRequest,
    DescribeShareGroupOffsetsRequestGroup,
)


def share_lag_lines(client: Client, group_id: str) -> list[dict[str, Any]]:
    """One line per partition that the group has begun: the first offset it is not done with, and how many are left."""
    request = DescribeShareGroupOffsetsRequest(
        groups=[DescribeShareGroupOffsetsRequestGroup(group_id=group_id, topics=None)]
    )
    (group,) = client.coordinator(group_id).call(request).groups
    check(group.error_code, group.error_message, f"the offsets of group {group_id}")
    lines = []
    for topic in sorted(group.topics, key=lambda topic: topic.topic_name):
        for partition in sorted(topic.partitions, key=lambda partition: partition.partition_index):
            start, lag = partition.start_offset, partition.lag
            lines.append(
                {
                    "topic": topic.topic_name,
                    "partition": partition.partition_index,
                    "start": start if start >= 0 else None,
                    "lag": lag if lag >= 0 else None,
                }
            )
    return lines
