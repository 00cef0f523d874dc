"""What a log asks of whoever holds it: the manager, or a move to another directory (`relocation`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from kwire.log.config import LogConfig

if TYPE_CHECKING:
    from kwire.log.log_state import LogState


class LogHost(Protocol):
    """What a log asks of the manager that owns it."""

    def storage_failed(self, log: LogState, error: OSError) -> None:
        """The disk failed: the log's directory goes offline."""

    def remove_later(self, paths: Sequence[str], delay_ms: int, now_ms: int) -> None:
        """Unlink files once `file.delete.delay.ms` is over."""

    def truncated(self, log: LogState, offset: int) -> None:
        """The log was cut back to `offset`."""

    def lower_recovery_point(self, log: LogState, offset: int) -> None:
        """The log is to be cut below what is flushed: the checkpoint must not promise more. Raises OSError."""

    def lower_log_start(self, log: LogState, offset: int) -> None:
        """The log was cut below its start: the checkpoint must not hide what is appended now. Raises OSError."""

    def segment_closed(self, log: LogState) -> None:
        """A segment is closed and wants to be flushed."""

    def is_expired(self, last_timestamp: int, now_ms: int) -> bool:
        """Whether a producer without a transaction that was last heard of then is forgotten by now."""

    def segment_recovered(self, size_bytes: int) -> None:
        """Recovery has read a segment of so many bytes; called in one of its threads."""

    def hole_taken(self, log: LogState) -> None:
        """Recovery has gone on behind a hole, and every later one must; called in one of its threads."""

    def segment_jitter_ms(self, config: LogConfig) -> int:
        """How much earlier than `segment.ms` this log rolls."""
