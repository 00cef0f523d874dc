"""What can be wrong with one batch, whatever its magic, judged by itself."""

from __future__ import annotations

from typing import NamedTuple

from kwire.errors import KafkaError
from kwire.log.offline.record_decoders import INTERNAL_TOPICS, UnknownRecordTypeError, read_coordinator_record
from kwire.log.offline.stored_file import StoredBatch
from kwire.log.producer_journal import marker_of
from kwire.log.producer_state import Marker
from kwire.wire.compression import NAMES
from kwire.wire.crc import crc32c
from kwire.wire.legacy import message_batches
from kwire.wire.primitives import WireError
from kwire.wire.record_batch import (
    ATTRIBUTES_OFFSET,
    HEADER,
    RECORD_BATCH_OVERHEAD,
    BatchHeader,
)
from kwire.wire.records import Record, read_records

_UNKNOWN_MAGIC = 3


class BatchFault(Exception):
    """The batch is damaged: `kind` names how, `meaning` says what follows from it.

    `batch` is there when a recovery would keep it, since its frame and checksum are right.
    """

    def __init__(self, kind: str, text: str, meaning: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.meaning = meaning
        self.batch: CheckedBatch | None = None


class CheckedBatch(NamedTuple):
    """What later checks need of a sound batch. Timestamps in ms; `header` is None under magic 0 and 1."""

    base_offset: int
    last_offset: int
    record_count: int
    max_timestamp: int
    header: BatchHeader | None
    marker: Marker | None


def check_batch(batch: StoredBatch, topic: str, *, deep: bool) -> CheckedBatch:
    """The batch, if it is sound. Raises BatchFault.

    Shallow: checksum, counts, codec; markers are read. `deep` reads every record, of internal topics its message too.
    Batches of magic 0 and 1 are read in either case, since nothing else tells what they hold.
    """
    if batch.magic >= _UNKNOWN_MAGIC:
        raise BatchFault("batch-magic", f"magic {batch.magic} is none of 0, 1 and 2", _UNREADABLE)
    if batch.magic < 2:
        return _check_legacy(batch)
    data = batch.data
    if len(data) < RECORD_BATCH_OVERHEAD:
        raise BatchFault("batch-length", f"a batch of {len(data)} bytes is smaller than its header", _UNREADABLE)
    header = BatchHeader._make(HEADER.unpack_from(data))
    actual = crc32c(data[ATTRIBUTES_OFFSET:])
    if actual != header.crc:
        raise BatchFault(
            "batch-checksum", f"the checksum is {actual:#010x}, the batch says {header.crc:#010x}", _UNREADABLE
        )
    if not -1 < header.record_count <= header.last_offset_delta + 1:
        raise BatchFault(
            "batch-header",
            f"{header.record_count} records under a last offset delta of {header.last_offset_delta}",
            _UNREADABLE,
        )
    if header.compression >= len(NAMES):
        raise BatchFault("batch-header", f"compression {header.compression} does not exist", _UNREADABLE)
    found = CheckedBatch(
        header.base_offset, header.last_offset, header.record_count, header.max_timestamp, header, None
    )
    try:
        if header.is_control:
            found = found._replace(marker=marker_of(data, header))
        if deep:
            _check_records(read_records(data), header, topic)
    except (WireError, KafkaError) as error:
        fault = BatchFault("record-contents", f"its records cannot be read: {error}", _CONTENTS)
        fault.batch = found
        raise fault from None
    except BatchFault as fault:
        fault.batch = found
        raise
    return found


_UNREADABLE = "consumers stop here with CORRUPT_MESSAGE, and a recovery cuts the log here"
_CONTENTS = "the checksum is right, so it was written like this: consumers fail on it, and a recovery keeps it"


def _check_legacy(batch: StoredBatch) -> CheckedBatch:
    try:
        (outer,) = message_batches(batch.data)
    except (WireError, KafkaError) as error:
        raise BatchFault("batch-checksum", str(error), _UNREADABLE) from None
    except ValueError:
        raise BatchFault("batch-length", "the message is not whole", _UNREADABLE) from None
    first = outer.records[0].offset
    return CheckedBatch(first, outer.last_offset, len(outer.records), outer.max_timestamp, None, None)


def _check_records(records: list[Record], header: BatchHeader, topic: str) -> None:
    """Raises BatchFault, WireError."""
    previous = header.base_offset - 1
    for record in records:
        if not previous < record.offset <= header.last_offset:
            raise BatchFault(
                "record-contents",
                f"a record has offset {record.offset}, the batch goes from {header.base_offset} to {header.last_offset}"
                f" and {previous} came before",
                _CONTENTS,
            )
        previous = record.offset
        if record.timestamp > header.max_timestamp:
            raise BatchFault(
                "record-contents",
                f"the record at offset {record.offset} has timestamp {record.timestamp}, the header's maximum is "
                f"{header.max_timestamp}",
                "lookups by time and retention go by the header",
            )
        if topic in INTERNAL_TOPICS and not header.is_control:
            try:
                read_coordinator_record(record, INTERNAL_TOPICS[topic])
            except UnknownRecordTypeError:
                # A newer coordinator's: older ones pass it over.
                continue
            except WireError as error:
                raise BatchFault(
                    "record-contents",
                    f"the record of {topic} at offset {record.offset} cannot be read: {error}",
                    "the coordinator of this partition cannot load its state",
                ) from None
