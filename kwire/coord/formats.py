"""Which records a coordinator's topic holds, and in which versions we write them.

A record's key starts with its type (int16), its value with its version (int16). We read every version that Kafka ever
wrote and write those of Kafka 3.9: none of them is flexible, so that every broker since 2.1 can take the topic over.

| type | key | value | written |
|---|---|---|---|
| 0, 1 | group, topic, partition | a committed offset | type 1, value 3; value 1 if the commit carries its own expiry |
| 2 | group | a classic group's generation and members | value 3 |
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kwire.wire.messages.group_records import (
    GroupMetadataKey,
    GroupMetadataValue,
    OffsetCommitKey,
    OffsetCommitValue,
)


class RecordFormat(NamedTuple):
    """One record type: the classes of its key and of its value, and the newest version of the value."""

    key_class: type[Any]
    value_class: type[Any]
    highest_value_version: int


GROUP_FORMATS: dict[int, RecordFormat] = {
    0: RecordFormat(OffsetCommitKey, OffsetCommitValue, 4),
    1: RecordFormat(OffsetCommitKey, OffsetCommitValue, 4),
    2: RecordFormat(GroupMetadataKey, GroupMetadataValue, 4),
}
"""Record types of `__consumer_offsets`. Types that are not listed belong to newer coordinators and are skipped."""

KEY_VERSION = 0
"""Keys have no versions of their own: a new form would be a new type."""

OFFSET_COMMIT_WITH_EXPIRY = 1
OFFSET_COMMIT = 3
GROUP_METADATA = 3

NO_EXPIRY = -1


def value_version(value: object) -> int:
    """The version in which this value is written."""
    if isinstance(value, OffsetCommitValue):
        return OFFSET_COMMIT if value.expire_timestamp == NO_EXPIRY else OFFSET_COMMIT_WITH_EXPIRY
    if isinstance(value, GroupMetadataValue):
        return GROUP_METADATA
    raise TypeError(f"{type(value).__name__} is no value of a coordinator's record")
