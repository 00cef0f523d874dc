"""Which records a coordinator's topic holds, and in which versions we write them.

A record's key starts with its type (int16), its value with its version (int16). We read every version that Kafka ever
wrote. Of offsets and classic groups we write those of Kafka 3.9, so that every broker since 2.1 can take them over.
Transactions are written as Kafka 4 writes them: what `transaction.version` 2 has to remember (KIP-890) has room in the
flexible version only, which Kafka reads since 3.5.

| topic | type | key | value | written |
|---|---|---|---|---|
| `__consumer_offsets` | 0, 1 | group, topic, partition | a committed offset | type 1, value 3 (1 with an own expiry) |
| | 2 | group | a classic group's generation and members | value 3 |
| | 3 to 8, 16 | group, member, expression | a consumer group (KIP-848), see `group/consumer/records.py` | value 0 |
| | 10 to 15 | group, member | a share group (KIP-932), see `group/share/records.py` | value 0 |
| | 17 to 23 | group, member | a Streams group (KIP-1071), see `group/streams/records.py` | value 0 |
| `__transaction_state` | 0 | transactional id | its producer, state and partitions | value 1 |
| `__share_group_state` | 0, 1 | group, topic id, partition | a share partition, see `share/state.py` | value 0 |
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from kwire.named_tuple import NamedTuple
from kwire.wire.messages import consumer_group_records as consumer
from kwire.wire.messages.group_records import (
    GroupMetadataKey,
    GroupMetadataValue,
    OffsetCommitKey,
    OffsetCommitValue,
)
from kwire.wire.messages.transaction_records import TransactionLogKey, TransactionLogValue


class RecordFormat(NamedTuple):
    """One record type: the classes of its key and of its value, and the newest version of the value."""

    key_class: type[Any]
    value_class: type[Any]
    highest_value_version: int


_MESSAGES = "kwire.wire.messages."

_IMPORTED_LATER: dict[int, tuple[str, str]] = {
    10: ("share_records", "ShareGroupMemberMetadata"),
    11: ("share_records", "ShareGroupMetadata"),
    12: ("share_records", "ShareGroupTargetAssignmentMetadata"),
    13: ("share_records", "ShareGroupTargetAssignmentMember"),
    14: ("share_records", "ShareGroupCurrentMemberAssignment"),
    15: ("share_records", "ShareGroupStatePartitionMetadata"),
    17: ("streams_records", "StreamsGroupMetadata"),
    19: ("streams_records", "StreamsGroupMemberMetadata"),
    20: ("streams_records", "StreamsGroupTargetAssignmentMetadata"),
    21: ("streams_records", "StreamsGroupTargetAssignmentMember"),
    22: ("streams_records", "StreamsGroupCurrentMemberAssignment"),
    23: ("streams_records", "StreamsGroupTopology"),
}
"""Record types that few logs hold: the module of their messages, and how their key and value begin."""


class GroupFormats(dict[int, RecordFormat]):
    """The record types of `__consumer_offsets`. Messages of the rarer kinds of groups are imported when first met."""

    def get(self, record_type: int, default: Any = None) -> Any:
        """The format of a type; `default` for types that belong to newer coordinators."""
        row = super().get(record_type)
        if row is None and record_type in _IMPORTED_LATER:
            module, stem = _IMPORTED_LATER[record_type]
            messages = import_module(_MESSAGES + module)
            row = RecordFormat(getattr(messages, f"{stem}Key"), getattr(messages, f"{stem}Value"), 0)
            self[record_type] = row
        return default if row is None else row


GROUP_FORMATS = GroupFormats(
    {
        0: RecordFormat(OffsetCommitKey, OffsetCommitValue, 4),
        1: RecordFormat(OffsetCommitKey, OffsetCommitValue, 4),
        2: RecordFormat(GroupMetadataKey, GroupMetadataValue, 4),
        3: RecordFormat(consumer.ConsumerGroupMetadataKey, consumer.ConsumerGroupMetadataValue, 0),
        4: RecordFormat(consumer.ConsumerGroupPartitionMetadataKey, consumer.ConsumerGroupPartitionMetadataValue, 0),
        5: RecordFormat(consumer.ConsumerGroupMemberMetadataKey, consumer.ConsumerGroupMemberMetadataValue, 0),
        6: RecordFormat(
            consumer.ConsumerGroupTargetAssignmentMetadataKey, consumer.ConsumerGroupTargetAssignmentMetadataValue, 0
        ),
        7: RecordFormat(
            consumer.ConsumerGroupTargetAssignmentMemberKey, consumer.ConsumerGroupTargetAssignmentMemberValue, 0
        ),
        8: RecordFormat(
            consumer.ConsumerGroupCurrentMemberAssignmentKey, consumer.ConsumerGroupCurrentMemberAssignmentValue, 0
        ),
        16: RecordFormat(consumer.ConsumerGroupRegularExpressionKey, consumer.ConsumerGroupRegularExpressionValue, 0),
    }
)
"""Record types of `__consumer_offsets`. Types that are not listed belong to newer coordinators and are skipped."""

TRANSACTION_FORMATS: dict[int, RecordFormat] = {0: RecordFormat(TransactionLogKey, TransactionLogValue, 1)}
"""Record types of `__transaction_state`."""
_WRITTEN_IN_VERSION_0 = {
    _MESSAGES + "consumer_group_records",
    *(_MESSAGES + row[0] for row in _IMPORTED_LATER.values()),
}
"""The modules of values that are written in version 0, the only one they have."""

KEY_VERSION = 0
"""Keys have no versions of their own: a new form would be a new type."""

OFFSET_COMMIT_WITH_EXPIRY = 1
OFFSET_COMMIT = 3
GROUP_METADATA = 3
TRANSACTION = 1

NO_EXPIRY = -1


def value_version(value: object) -> int:
    """The version in which this value is written."""
    if isinstance(value, OffsetCommitValue):
        return OFFSET_COMMIT if value.expire_timestamp == NO_EXPIRY else OFFSET_COMMIT_WITH_EXPIRY
    if isinstance(value, GroupMetadataValue):
        return GROUP_METADATA
    if isinstance(value, TransactionLogValue):
        return TRANSACTION
    if type(value).__module__ in _WRITTEN_IN_VERSION_0:
        return 0
    raise TypeError(f"{type(value).__name__} is no value of a coordinator's record")
