"""What share partitions need of their neighbours, as Protocols: the log below, the persister beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from kwire.errors import KafkaError
from kwire.share.aborted import AbortedTransaction
from kwire.share.partition import PersistedBatch, StateBatch


class SharePartitionKey(NamedTuple):
    """What the persister calls a share partition."""

    group_id: str
    topic_id: bytes
    partition: int


class FetchedLog(NamedTuple):
    """Whole record batches from an offset on, perhaps with a cut one at the end; `aborted` under read_committed."""

    data: bytes
    aborted: Sequence[AbortedTransaction]


class PartitionLog(Protocol):
    """One partition as its leader has it. Errors are KafkaErrors."""

    @property
    def watchers(self) -> set[Callable[[], None]]:
        """Called whenever there is more to read, or the leadership is gone."""
        ...

    @property
    def leader_epoch(self) -> int: ...

    @property
    def start_offset(self) -> int: ...

    @property
    def high_watermark(self) -> int: ...

    def offset_at(self, timestamp_ms: int) -> int | None:
        """The offset of the first record that is not older; None if there is none."""
        ...

    def read(self, offset: int, max_bytes: int, *, read_committed: bool) -> FetchedLog:
        """What a consumer may see, one record batch at least if there is any. OFFSET_OUT_OF_RANGE, and what
        prevents the replica from leading.
        """
        ...


class FindLog(Protocol):
    """Where the logs are."""

    def __call__(self, topic_id: bytes, partition: int) -> PartitionLog:
        """Raises UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER, KAFKA_STORAGE_ERROR."""
        ...


class StoredState(NamedTuple):
    """What the persister has of a share partition; a `start_offset` of -1 was never set."""

    start_offset: int
    state_epoch: int
    batches: Iterable[PersistedBatch]


class StateToStore(NamedTuple):
    """What the persister is to remember: the change, and where the partition stands with it."""

    state_epoch: int
    leader_epoch: int
    start_offset: int
    complete_count: int
    batches: Sequence[StateBatch]


class Persister(Protocol):
    """Where the state of share partitions is kept. `done` is called with the outcome, at once or later."""

    def read(self, key: SharePartitionKey, leader_epoch: int, done: Callable[[StoredState | KafkaError], None]) -> None:
        """The state, for a leader of this epoch; older ones cannot write any more."""
        ...

    def write(self, key: SharePartitionKey, state: StateToStore, done: Callable[[KafkaError | None], None]) -> None:
        """Remember a change."""
        ...
