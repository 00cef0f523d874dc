"""How share partitions are loaded: one at once, the others a turn of the event loop later; failures are told once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kwire.config.broker_config import BrokerConfig
from kwire.errors import ErrorCode, KafkaError
from kwire.share.config import ShareConfig
from kwire.share.manager import SharePartitionManager
from kwire.share.ports import SharePartitionKey, StateToStore, StoredState
from kwire.share.sessions import TopicIdPartition
from tests.share.world import AlarmForTests, LogForTests

TOPIC = b"t" * 16
Done = Callable[[StoredState | KafkaError], None]


class SlowPersister:
    """Answers when `answer` is called, unless it `answers_at_once`."""

    def __init__(self) -> None:
        self.answers_at_once = True
        self.asked: list[int] = []
        self._waiting: list[Done] = []

    def read(self, key: SharePartitionKey, leader_epoch: int, done: Done) -> None:
        self.asked.append(key.partition)
        self._waiting.append(done)
        if self.answers_at_once:
            self.answer(StoredState(0, 1, []))

    def answer(self, outcome: StoredState | KafkaError) -> None:
        self._waiting.pop(0)(outcome)

    def write(self, key: SharePartitionKey, state: StateToStore, done: Callable[[KafkaError | None], None]) -> None:
        raise AssertionError("nothing is acknowledged here")


class Loading:
    """A manager, and the turns of its event loop."""

    def __init__(self) -> None:
        self.persister = SlowPersister()
        self._due: list[Callable[[], None]] = []
        self.manager = SharePartitionManager(
            ShareConfig(BrokerConfig({}).get, lambda group_id: {}),
            lambda topic_id, partition: LogForTests(),
            self.persister,
            lambda: 0,
            self._call_later,
        )

    def _call_later(self, seconds: float, callback: Callable[[], None]) -> AlarmForTests:
        assert seconds == 0
        self._due.append(callback)
        return AlarmForTests()

    def next_turn(self) -> None:
        due, self._due = self._due, []
        for callback in due:
            callback()

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
