"""A share partition that this broker serves: its core, its log, and the persister behind it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from kwire.errors import ErrorCode, KafkaError
from kwire.share.config import EARLIEST, LATEST, ShareConfig
from kwire.share.partition import InvalidState, SharePartition, Update
from kwire.share.ports import PartitionLog, Persister, SharePartitionKey, StateToStore, StoredState

logger = logging.getLogger("kwire.share")

NEVER_SET = -1
"""The start offset of a share partition that was initialised and not read yet."""

_PERSISTER_ERRORS = {
    ErrorCode.NOT_COORDINATOR: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.COORDINATOR_NOT_AVAILABLE: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.GROUP_ID_NOT_FOUND: ErrorCode.GROUP_ID_NOT_FOUND,
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode.FENCED_LEADER_EPOCH: ErrorCode.NOT_LEADER_OR_FOLLOWER,
    ErrorCode.FENCED_STATE_EPOCH: ErrorCode.NOT_LEADER_OR_FOLLOWER,
}
"""What a member is told when the persister refuses; everything else is UNKNOWN_SERVER_ERROR."""

FENCING = frozenset(
    {
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.FENCED_STATE_EPOCH,
        ErrorCode.GROUP_ID_NOT_FOUND,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    }
)
"""Errors after which what is known of a partition is worth nothing: it is loaded anew, if anybody asks."""


class ServedPartition:
    """One group's view of one partition. Made LOADING; `load` asks the persister.

    `watchers` are called, without arguments, whenever there may be something to acquire, or it is gone.
    """

    LOADING, ACTIVE, GONE = "loading", "active", "gone"

    __slots__ = ("_now_ms", "_persister", "core", "failure", "key", "leader_epoch", "log", "phase", "watchers")

    def __init__(
        self,
        key: SharePartitionKey,
        log: PartitionLog,
        config: ShareConfig,
        persister: Persister,
        now_ms: Callable[[], int],
    ) -> None:
        self.key = key
        self.log = log
        self.leader_epoch = log.leader_epoch
        self.core = SharePartition(lambda: config.limits_of(key.group_id))
        self.phase = self.LOADING
        self.failure: KafkaError | None = None
        self.watchers: set[Callable[[], None]] = set()
        self._persister = persister
        self._now_ms = now_ms

    def load(self, config: ShareConfig) -> None:
        """Bring in the persister's state, at once or later. If that cannot be, `failure` says why."""

        def done(outcome: StoredState | KafkaError) -> None:
            if self.phase is not self.LOADING:
                return
            try:
                if isinstance(outcome, KafkaError):
                    raise KafkaError(
                        _PERSISTER_ERRORS.get(outcome.code, ErrorCode.UNKNOWN_SERVER_ERROR), outcome.message
                    )
                start = outcome.start_offset
                if start == NEVER_SET:
                    start = self._first_offset(config)
                self.core.load(start, outcome.state_epoch, outcome.batches)
                self.phase = self.ACTIVE
            except (KafkaError, InvalidState) as error:
                logger.error("%s cannot be loaded: %s", self, error)
                self.failure = error if isinstance(error, KafkaError) else KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)
                self.phase = self.GONE
            self.wake()

        self._persister.read(self.key, self.leader_epoch, done)

    def _first_offset(self, config: ShareConfig) -> int:
        """Where the group begins. With nothing younger than a duration, that is the end."""
        reset = config.offset_reset_of(self.key.group_id)
        if reset == EARLIEST:
            return self.log.start_offset
        if reset == LATEST or isinstance(reset, str):
            return self.log.high_watermark
        found = self.log.offset_at(self._now_ms() - reset)
        return self.log.high_watermark if found is None else found

    def store(self, update: Update, done: Callable[[KafkaError | None], None]) -> None:
        """Have the persister remember an update, and complete it."""
        if not update:
            done(None)
            return
        core = self.core

        def stored(error: KafkaError | None) -> None:
            if core.complete(update, stored=error is None, now_ms=self._now_ms()):
                self.wake()
            if error is not None:
                logger.error("%s: what was acknowledged could not be stored: %s", self, error)
                error = KafkaError(_PERSISTER_ERRORS.get(error.code, ErrorCode.UNKNOWN_SERVER_ERROR), error.message)
            done(error)

        state = StateToStore(
            core.state_epoch, self.leader_epoch, core.start_offset, core.complete_count, tuple(update.batches)
        )
        self._persister.write(self.key, state, stored)

    def expire(self) -> None:
        """Take back what was locked for too long; it is free whether that can be stored or not."""
        update = self.core.expire(self._now_ms())
        if update:
            self.store(update, lambda error: None)
            self.wake()

    def fence(self) -> None:
        """Nothing of this counts any more."""
        self.phase = self.GONE
        self.wake()

    def wake(self) -> None:
        """Tell every watcher."""
        for watcher in tuple(self.watchers):
            watcher()

    def __repr__(self) -> str:
        return f"{self.key.group_id}:{self.log}"
