"""Control records: what stands in a batch whose control bit is set.

```
key    int16 version, int16 type             (later versions may add fields)
value  of ABORT and COMMIT: int16 version, int32 epoch of the transaction coordinator
```
Source: KIP-98, Kafka's `ControlRecordType` and `EndTransactionMarker`. The types above COMMIT belong to KRaft's own
log, whose values are messages of their own; here they are known by name only.
"""

from __future__ import annotations

from struct import Struct

from kwire.named_tuple import NamedTuple
from kwire.wire.record_batch import NO_PARTITION_LEADER_EPOCH, NO_SEQUENCE
from kwire.wire.records import InvalidRecordError, Record, build_batch

ABORT = 0
COMMIT = 1

CONTROL_TYPES = (
    "ABORT",
    "COMMIT",
    "LEADER_CHANGE",
    "SNAPSHOT_HEADER",
    "SNAPSHOT_FOOTER",
    "KRAFT_VERSION",
    "KRAFT_VOTERS",
)
"""Kafka's names by type number; readers skip the types they do not know."""

_KEY = Struct(">hh")
_END_TRANSACTION = Struct(">hi")
_VERSION = 0


class EndTransactionMarker(NamedTuple):
    """How a producer's transaction ended on this partition, and the epoch of the coordinator that said so."""

    committed: bool
    coordinator_epoch: int


def control_type(record: Record) -> int:
    """The type number in a control record's key, known to us or not; InvalidRecordError when there is none."""
    key = record.key
    if key is None or len(key) < _KEY.size:
        raise InvalidRecordError(-1, f"a control record's key takes {_KEY.size} bytes, not {key!r}")
    version, number = _KEY.unpack_from(key)
    if version < 0:
        raise InvalidRecordError(-1, f"control record key of version {version}")
    return int(number)


def read_end_transaction_marker(record: Record) -> EndTransactionMarker | None:
    """The marker, or None for a control record of another type.

    Raises InvalidRecordError for a key or value that is too short or has a negative version.
    """
    number = control_type(record)
    if number not in (ABORT, COMMIT):
        return None
    value = record.value
    if value is None or len(value) < _END_TRANSACTION.size:
        raise InvalidRecordError(-1, f"a transaction marker's value takes {_END_TRANSACTION.size} bytes, not {value!r}")
    version, coordinator_epoch = _END_TRANSACTION.unpack_from(value)
    if version < 0:
        raise InvalidRecordError(-1, f"transaction marker of version {version}")
    return EndTransactionMarker(number == COMMIT, coordinator_epoch)


def build_end_transaction_marker(
    marker: EndTransactionMarker,
    *,
    producer_id: int,
    producer_epoch: int,
    timestamp: int,
    base_offset: int = 0,
    partition_leader_epoch: int = NO_PARTITION_LEADER_EPOCH,
) -> bytearray:
    """The batch of one record that ends the producer's transaction; `timestamp` in ms."""
    return build_control_batch(
        COMMIT if marker.committed else ABORT,
        _END_TRANSACTION.pack(_VERSION, marker.coordinator_epoch),
        timestamp=timestamp,
        base_offset=base_offset,
        partition_leader_epoch=partition_leader_epoch,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        transactional=True,
    )


def build_control_batch(
    number: int,
    value: bytes,
    *,
    timestamp: int,
    base_offset: int = 0,
    partition_leader_epoch: int = NO_PARTITION_LEADER_EPOCH,
    producer_id: int = -1,
    producer_epoch: int = -1,
    transactional: bool = False,
) -> bytearray:
    """A control batch of one record of type `number`; markers never carry a sequence."""
    return build_batch(
        [(timestamp, _KEY.pack(_VERSION, number), value, ())],
        base_offset=base_offset,
        partition_leader_epoch=partition_leader_epoch,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        base_sequence=NO_SEQUENCE,
        transactional=transactional,
        control=True,
    )
