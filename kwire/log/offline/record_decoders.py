"""Keys and values of records made readable: text, numbers, and the records of the internal topics.

A decoder takes a record's key and value and gives what to show: JSON objects `{"type": ..., "data": ...}` and
`{"version": ..., "data": ...}` for the internal topics, in the form of Kafka's own JSON converters; strings otherwise.
`None` is not shown at all. Sources: Kafka's `DumpLogSegments`, `CoordinatorRecordSerde`, and the decoders of its
`tools.api`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from struct import Struct
from typing import Any, NamedTuple

from kwire.wire.codec import decode, decode_prefixed
from kwire.wire.json_form import to_json
from kwire.wire.model import model_of
from kwire.wire.primitives import WireError
from kwire.wire.records import Record

_INT16 = Struct(">h")
_PACKAGE = "kwire.wire.messages."
DELETED = "<DELETE>"
"""Shown for the value of a tombstone."""


class Decoded(NamedTuple):
    """What to show of a record: a string, a JSON object, or nothing."""

    key: Any
    payload: Any


Decoder = Callable[[Record], Decoded]

GROUP_RECORDS = {
    0: ("group_records", "LegacyOffsetCommit"),
    1: ("group_records", "OffsetCommit"),
    2: ("group_records", "GroupMetadata"),
    3: ("consumer_group_records", "ConsumerGroupMetadata"),
    4: ("consumer_group_records", "ConsumerGroupPartitionMetadata"),
    5: ("consumer_group_records", "ConsumerGroupMemberMetadata"),
    6: ("consumer_group_records", "ConsumerGroupTargetAssignmentMetadata"),
    7: ("consumer_group_records", "ConsumerGroupTargetAssignmentMember"),
    8: ("consumer_group_records", "ConsumerGroupCurrentMemberAssignment"),
    10: ("share_records", "ShareGroupMemberMetadata"),
    11: ("share_records", "ShareGroupMetadata"),
    12: ("share_records", "ShareGroupTargetAssignmentMetadata"),
    13: ("share_records", "ShareGroupTargetAssignmentMember"),
    14: ("share_records", "ShareGroupCurrentMemberAssignment"),
    15: ("share_records", "ShareGroupStatePartitionMetadata"),
    16: ("consumer_group_records", "ConsumerGroupRegularExpression"),
    17: ("streams_records", "StreamsGroupMetadata"),
    19: ("streams_records", "StreamsGroupMemberMetadata"),
    20: ("streams_records", "StreamsGroupTargetAssignmentMetadata"),
    21: ("streams_records", "StreamsGroupTargetAssignmentMember"),
    22: ("streams_records", "StreamsGroupCurrentMemberAssignment"),
    23: ("streams_records", "StreamsGroupTopology"),
}
"""Record types of `__consumer_offsets`: module and name, to which `Key` and `Value` are added."""

TRANSACTION_RECORDS = {0: ("transaction_records", "TransactionLog")}
"""Record types of `__transaction_state`."""

SHARE_STATE_RECORDS = {0: ("share_records", "ShareSnapshot"), 1: ("share_records", "ShareUpdate")}
"""Record types of `__share_group_state`."""

INTERNAL_TOPICS = {
    "__consumer_offsets": GROUP_RECORDS,
    "__transaction_state": TRANSACTION_RECORDS,
    "__share_group_state": SHARE_STATE_RECORDS,
}


class UnknownRecordTypeError(WireError):
    """A record's key names a type that the topic does not have."""

    def __init__(self, number: int) -> None:
        super().__init__(f"unknown record type {number}")
        self.number = number


class CoordinatorRecord(NamedTuple):
    """A record of an internal topic; `value` is None for a tombstone, `version` -1 then."""

    number: int
    key: Any
    version: int
    value: Any


def read_coordinator_record(record: Record, types: Mapping[int, tuple[str, str]]) -> CoordinatorRecord:
    """The record as messages. Raises UnknownRecordTypeError and WireError."""
    key = record.key
    if key is None or len(key) < _INT16.size:
        raise WireError("the key is too short to name a type")
    number = _INT16.unpack_from(key)[0]
    if number not in types:
        raise UnknownRecordTypeError(number)
    module, name = types[number]
    classes = import_module(_PACKAGE + module)
    read_key = decode(getattr(classes, name + "Key"), 0, key, _INT16.size)
    if record.value is None:
        return CoordinatorRecord(number, read_key, -1, None)
    value_class = getattr(classes, name + "Value")
    if len(record.value) < _INT16.size:
        raise WireError("the value is too short to name a version")
    version = _INT16.unpack_from(record.value)[0]
    oldest, newest = model_of(value_class).valid
    if not oldest <= version <= newest:
        raise WireError(f"version {version} of {name}Value is not known")
    return CoordinatorRecord(number, read_key, version, decode(value_class, version, record.value, _INT16.size))


def coordinator_decoder(types: Mapping[int, tuple[str, str]]) -> Decoder:
    """A decoder of an internal topic's records; a record that it cannot read becomes a sentence that says so."""

    def read(record: Record) -> Decoded:
        try:
            found = read_coordinator_record(record, types)
        except UnknownRecordTypeError as error:
            return Decoded(f"Unknown record type {error.number} at offset {record.offset}, skipping.", None)
        except WireError as error:
            return Decoded(f"Error at offset {record.offset}, skipping. {error}", None)
        key = {"type": str(found.number), "data": to_json(found.key, 0)}
        if found.value is None:
            return Decoded(key, DELETED)
        data = to_json(found.value, found.version)
        if types is GROUP_RECORDS and found.number == 2 and found.value.protocol_type == "consumer":
            for member, shown in zip(found.value.members, data["members"], strict=True):
                _open(member.subscription, "ConsumerProtocolSubscription", shown, "subscription")
                _open(member.assignment, "ConsumerProtocolAssignment", shown, "assignment")
        return Decoded(key, {"version": str(found.version), "data": data})

    return read


def _open(data: bytes, name: str, shown: dict[str, Any], field: str) -> None:
    """Replace the bytes that a consumer put into its group's record by what they say; unreadable ones stay."""
    message_class = getattr(import_module(_PACKAGE + "consumer_protocol"), name)
    try:
        message, version = decode_prefixed(message_class, data)
        shown[field] = to_json(message, version)
    except (WireError, ValueError):
        return


def _integer(layout: Struct) -> Callable[[bytes], str]:
    def read(data: bytes) -> str:
        # Kafka's tool ends with an exception; one odd value is no reason to hide the others.
        return str(layout.unpack(data)[0]) if len(data) == layout.size else f"not {layout.size} bytes: {data.hex()}"

    return read


def _string(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _raw(data: bytes) -> str:
    return data.hex()


VALUE_DECODERS: dict[str, Callable[[bytes], str]] = {
    "StringDecoder": _string,
    "DefaultDecoder": _raw,
    "IntegerDecoder": _integer(Struct(">i")),
    "LongDecoder": _integer(Struct(">q")),
}
"""Kafka's decoder classes by the last part of their name."""


def plain_decoder(key: str = "StringDecoder", value: str = "StringDecoder") -> Decoder:
    """Keys and values by the decoders of these names. Raises KeyError for another name."""
    read_key, read_value = VALUE_DECODERS[key], VALUE_DECODERS[value]

    def read(record: Record) -> Decoded:
        return Decoded(
            None if record.key is None else read_key(record.key),
            None if record.value is None else read_value(record.value),
        )

    return read
