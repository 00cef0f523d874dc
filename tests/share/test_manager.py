"""How share partitions are loaded: one at once, the others a turn of the event loop later; failures are told once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kwire.config.broker_config import BrokerConfig
from kwire.errors import ErrorCode, KafkaError
from kwire.share.acquiring import Wish
from kwire.share.config import ShareConfig
from kwire.share.fetching import ShareFetch
from kwire.share.manager import SharePartitionManager
from kwire.share.ports import SharePartitionKey, StateToStore, StoredState
from kwire.share.sessions import TopicIdPartition
from kwire.wire.messages.share_fetch import AcknowledgementBatch
from tests.share.world import AlarmForTests, LogForTests

TOPIC = b"t" * 16
FIRST = TopicIdPartition(TOPIC, 0)
Done = Callable[[StoredState | KafkaError], None]


class SlowPersister:
    """Answers when `answer` is called, unless it `answers_at_once`."""

    def __init__(self) -> None:
        self.answers_at_once = True
        self.asked: list[int] = []
        self.writes: list[Callable[[KafkaError | None], None]] = []
        self._waiting: list[Done] = []

    def read(self, key: SharePartitionKey, leader_epoch: int, done: Done) -> None:
        self.asked.append(key.partition)
        self._waiting.append(done)
        if self.answers_at_once:
            self.answer(StoredState(0, 1, []))

    def answer(self, outcome: StoredState | KafkaError) -> None:
        self._waiting.pop(0)(outcome)

    def write(self, key: SharePartitionKey, state: StateToStore, done: Callable[[KafkaError | None], None]) -> None:
        self.writes.append(done)


class Loading:
    """A manager, and the turns of its event loop."""

    def __init__(self) -> None:
        self.persister = SlowPersister()
        self._due: list[Callable[[], None]] = []
        self.alarms: list[float] = []
        self.now_ms = 0
        self.log = LogForTests()
        self.manager = SharePartitionManager(
            ShareConfig(BrokerConfig({}).get, lambda group_id: {}),
            lambda topic_id, partition: self.log,
            self.persister,
            lambda: self.now_ms,
            self._call_later,
        )

    def _call_later(self, seconds: float, callback: Callable[[], None]) -> AlarmForTests:
        if seconds:
            self.alarms.append(seconds)
        else:
            self._due.append(callback)
        return AlarmForTests()

    def next_turn(self) -> None:
        due, self._due = self._due, []
        for callback in due:
            callback()

    def acquire(self, member: str) -> list[tuple[int, int]]:
        """What the member gets of partition 0, record by record."""
        fetch = ShareFetch(self.manager, "g", [FIRST], Wish(member, 1, 1, 0), max_bytes=1000, min_bytes=1)
        return [(part.first, part.last) for part in (fetch.attempt(True) or {})[FIRST].acquired]

    def phases(self, *partitions: int) -> list[str]:
        return [self.manager.partition("g", TopicIdPartition(TOPIC, number)).phase for number in partitions]


def test_the_first_is_loaded_at_once_and_the_others_with_the_next_turn() -> None:
    loading = Loading()
    assert loading.phases(0, 1, 2) == ["active", "loading", "loading"]
    woken: list[int] = []
    loading.manager.partition("g", TopicIdPartition(TOPIC, 2)).watchers.add(lambda: woken.append(2))
    loading.next_turn()
    assert (loading.phases(0, 1, 2), woken, loading.persister.asked) == (["active"] * 3, [2], [0, 1, 2])
    loading.next_turn()
    assert loading.phases(3, 4) == ["active", "loading"]


def test_what_is_dropped_before_its_turn_is_not_loaded() -> None:
    loading = Loading()
    loading.phases(0, 1)
    loading.manager.drop_group("g")
    loading.next_turn()
    assert loading.persister.asked == [0]
    loading.phases(0, 1)
    loading.manager.stop()
    loading.next_turn()
    assert loading.persister.asked == [0, 0]


def test_why_it_could_not_be_loaded_is_told_once_and_then_it_is_tried_again() -> None:
    loading = Loading()
    loading.persister.answers_at_once = False
    assert loading.phases(0) == ["loading"]
    loading.persister.answer(KafkaError(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS))
    loading.next_turn()
    with pytest.raises(KafkaError) as told:
        loading.phases(0)
    assert told.value.code is ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert (loading.phases(0), loading.persister.asked) == (["loading"], [0, 0])
    loading.persister.answer(StoredState(0, 1, []))
    assert loading.phases(0) == ["active"]


@pytest.mark.parametrize("by_disconnect", [False, True])
def test_what_could_not_be_stored_in_the_end_is_locked_again_and_the_alarm_set(by_disconnect: bool) -> None:
    """The lock of somebody else ended while the persister was silent: what is on its way has no lock meanwhile."""
    loading = Loading()
    loading.log.append(1)
    loading.log.append(1)
    manager = loading.manager
    assert loading.acquire("a") == [(0, 0)]
    loading.now_ms = 10_000
    manager.sessions.open("g", "b", [FIRST])
    assert loading.acquire("b") == [(1, 1)]
    if by_disconnect:
        manager.release_session("g", "b")
    else:
        batch = AcknowledgementBatch(first_offset=1, last_offset=1, acknowledge_types=[1])
        manager.acknowledge("g", "b", {FIRST: [batch]}, lambda outcomes: None)
    loading.now_ms = 30_000
    manager.run_due_locks()
    release, expiry = loading.persister.writes
    expiry(None)
    assert loading.alarms == [30.0]
    release(KafkaError(ErrorCode.COORDINATOR_NOT_AVAILABLE))
    assert loading.alarms == [30.0, 10.0]
    loading.now_ms = 40_000
    manager.run_due_locks()
    assert (loading.acquire("c"), loading.acquire("c")) == ([(0, 0)], [(1, 1)])


def test_a_stop_hears_nothing_more_of_the_persister(caplog: pytest.LogCaptureFixture) -> None:
    loading = Loading()
    loading.persister.answers_at_once = False
    loading.phases(0)
    loading.manager.stop()
    loading.persister.answer(KafkaError(ErrorCode.NOT_COORDINATOR))
    assert not caplog.records
