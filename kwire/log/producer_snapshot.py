"""The producer snapshot `<offset>.snapshot`: the state of all producers as of the log below `<offset>`.

```
version    int16   1
crc        uint32  CRC-32C of everything after this field
count      int32
count x 46 bytes
  producer_id         int64
  epoch               int16
  last_sequence       int32   -1 none
  last_offset         int64   -1 none
  offset_delta        int32   last minus first offset of the last batch
  timestamp           int64   ms, of the last batch or marker
  coordinator_epoch   int32   -1 none
  txn_first_offset    int64   of the open transaction, -1 none
```
Written at every roll (named after the new segment) and at a clean stop (named after the log end offset). Only each
producer's last batch is kept, so after a restart older duplicates are refused rather than recognised. Read when a log
is opened, by us and by Kafka's `ProducerStateManager`. A file that a crash left torn fails its checksum: the next older
one is taken, or the log from its start.
"""

from __future__ import annotations

from struct import Struct

from kwire.log.producer_state import BatchMetadata, ProducerState
from kwire.wire.crc import crc32c

_HEADER = Struct(">hIi")
_CRC = Struct(">I")
_ENTRY = Struct(">qhiqiqiq")
_CRC_OFFSET = 2
_CHECKED_FROM = 6
VERSION = 1


class CorruptSnapshotError(Exception):
    """The file is no snapshot of version 1, or does not match its checksum."""


def encode_snapshot(entries: dict[int, ProducerState]) -> bytes:
    """The file's bytes."""
    out = bytearray(_HEADER.pack(VERSION, 0, len(entries)))
    for entry in entries.values():
        last = entry.batches[-1] if entry.batches else None
        out += _ENTRY.pack(
            entry.producer_id,
            entry.epoch,
            last.last_sequence if last else -1,
            last.last_offset if last else -1,
            last.offset_delta if last else 0,
            entry.last_timestamp,
            entry.coordinator_epoch,
            -1 if entry.txn_first_offset is None else entry.txn_first_offset,
        )
    _CRC.pack_into(out, _CRC_OFFSET, crc32c(memoryview(out)[_CHECKED_FROM:]))
    return bytes(out)


def decode_snapshot(data: bytes) -> list[ProducerState]:
    """The producers; CorruptSnapshotError for anything but a whole file of version 1."""
    if len(data) < _HEADER.size:
        raise CorruptSnapshotError(f"{len(data)} bytes are too few")
    version, crc, count = _HEADER.unpack_from(data)
    if version != VERSION:
        raise CorruptSnapshotError(f"version {version} is not {VERSION}")
    if crc32c(memoryview(data)[_CHECKED_FROM:]) != crc:
        raise CorruptSnapshotError("checksum does not match")
    if len(data) != _HEADER.size + count * _ENTRY.size:
        raise CorruptSnapshotError(f"{count} entries in {len(data)} bytes")
    return [_entry(*fields) for fields in _ENTRY.iter_unpack(memoryview(data)[_HEADER.size :])]


def _entry(
    producer_id: int,
    epoch: int,
    last_sequence: int,
    last_offset: int,
    offset_delta: int,
    timestamp: int,
    coordinator_epoch: int,
    txn_first_offset: int,
) -> ProducerState:
    entry = ProducerState(producer_id, epoch)
    entry.last_timestamp = timestamp
    entry.coordinator_epoch = coordinator_epoch
    entry.txn_first_offset = None if txn_first_offset < 0 else txn_first_offset
    if last_offset >= 0:
        entry.batches.append(BatchMetadata(last_sequence, last_offset, offset_delta, timestamp))
    return entry
