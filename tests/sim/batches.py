"""The plain values that the model is made of: batches, transactions, producers; and what a broken promise raises."""

from __future__ import annotations

from typing import NamedTuple

from kwire.wire.record_batch import BatchHeader, read_header
from kwire.wire.records import Record, read_records


class BrokenPromiseError(AssertionError):
    """The log did what it must not."""


def promise(kept: bool, text: str) -> None:
    """Raise BrokenPromiseError unless `kept`."""
    if not kept:
        raise BrokenPromiseError(text)


class Batch:
    """A batch as it was written."""

    __slots__ = ("_records", "data", "header")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.header: BatchHeader = read_header(data)
        self._records: list[Record] | None = None

    @property
    def records(self) -> list[Record]:
        """What is in it."""
        if self._records is None:
            self._records = list(read_records(self.data))
        return self._records

    def __repr__(self) -> str:
        return f"[{self.header.base_offset}..{self.header.last_offset}]"


class Transaction(NamedTuple):
    """A transaction on the path; no marker yet while `last_offset` is None."""

    producer_id: int
    first_offset: int
    last_offset: int | None
    is_aborted: bool


class Producer(NamedTuple):
    """What the path says of one producer; its batches of the current epoch, oldest first."""

    epoch: int
    batches: list[Batch]
    has_transaction: bool

    @property
    def next_sequence(self) -> int:
        return self.batches[-1].header.last_sequence + 1 if self.batches else 0
