"""The transaction coordinator's options, typed, as its core reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class TransactionConfig:
    """Values of the `transaction.*` and `transactional.*` options that the core needs; times in milliseconds."""

    __slots__ = (
        "abort_interval_ms",
        "expiration_interval_ms",
        "id_expiration_ms",
        "max_timeout_ms",
        "two_phase_commit",
    )

    def __init__(
        self,
        *,
        max_timeout_ms: int,
        abort_interval_ms: int,
        id_expiration_ms: int,
        expiration_interval_ms: int,
        two_phase_commit: bool,
    ) -> None:
        self.max_timeout_ms = max_timeout_ms
        self.abort_interval_ms = abort_interval_ms
        self.id_expiration_ms = id_expiration_ms
        self.expiration_interval_ms = expiration_interval_ms
        self.two_phase_commit = two_phase_commit

    @classmethod
    def from_options(cls, get: Callable[[str], Any]) -> TransactionConfig:
        """Read the options through `get(name)`, which returns typed values."""
        return cls(
            max_timeout_ms=get("transaction.max.timeout.ms"),
            abort_interval_ms=get("transaction.abort.timed.out.transaction.cleanup.interval.ms"),
            id_expiration_ms=get("transactional.id.expiration.ms"),
            expiration_interval_ms=get("transaction.remove.expired.transaction.cleanup.interval.ms"),
            two_phase_commit=get("transaction.two.phase.commit.enable"),
        )
