"""The share coordinator as the API handlers and this broker's own share groups see it.

One method per API: a request message in, a response message out, or a future of one. Each share partition is a decision
of its own, by the shard that it hashes to; no method raises for what somebody asked.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby
from typing import Any, TypeAlias, TypeVar

from kwire.clock import Clock
from kwire.coord.answers import Answer, OnDemand, when_all
from kwire.coord.coordinator_log import CoordinatorLog
from kwire.coord.decision import Decision, ReplyKey
from kwire.coord.partitioning import partition_for
from kwire.coord.runtime import LOAD_SLICE_BYTES, CoordinatorRuntime
from kwire.coord.share.config import ShareCoordinatorConfig
from kwire.coord.share.shard import Change, Outcome, ShareShard, keys_of
from kwire.coord.share.state import NO_STATE, ShareKey, batches_from
from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition
from kwire.wire.messages import delete_share_group_state as delete_messages
from kwire.wire.messages import initialize_share_group_state as initialize_messages
from kwire.wire.messages import read_share_group_state as read_messages
from kwire.wire.messages import read_share_group_state_summary as summary_messages
from kwire.wire.messages import write_share_group_state as write_messages

logger = logging.getLogger(__name__)

SHARE_GROUP_STATE_TOPIC = "__share_group_state"

Operation: TypeAlias = Callable[[ShareShard, ReplyKey, int], Decision]


class ShareCoordinator:
    """The share partitions whose partition of `__share_group_state` this broker leads.

    `partition_count()` is that topic's number of partitions as the metadata has it, 0 while it does not exist;
    `ensure_internal_topic()` creates it if need be and returns when its partitions are led. `exists(topic_id, index)`
    is about the cluster's partitions. `delete_before(partition, offset)` forgets the records that nobody needs.
    """

    def __init__(
        self,
        config: ShareCoordinatorConfig,
        log: CoordinatorLog,
        clock: Clock,
        *,
        partition_count: Callable[[], int],
        ensure_internal_topic: Callable[[], Awaitable[None]],
        exists: Callable[[bytes, int], bool],
        delete_before: Callable[[TopicPartition, int], object],
        commit_timeout_ms: int = 5000,
        compression: int = 0,
        load_slice_bytes: int = LOAD_SLICE_BYTES,
    ) -> None:
        self._log = log
        self._delete_before = delete_before
        self._partition_count = partition_count
        self._ensure_internal_topic = OnDemand(ensure_internal_topic)
        self._runtime: CoordinatorRuntime[ShareShard] = CoordinatorRuntime(
            SHARE_GROUP_STATE_TOPIC,
            lambda: ShareShard(config, exists),
            log,
            clock,
            commit_timeout_ms=commit_timeout_ms,
            compression=compression,
            load_slice_bytes=load_slice_bytes,
            on_order=lambda partition, leader_epoch, order: self._prune(partition),
        )

    # Where states live

    @property
    def topic_exists(self) -> bool:
        """Whether `__share_group_state` has been created."""
        return self._partition_count() > 0

    async def ensure_topic(self) -> None:
        """Create `__share_group_state` unless it exists; whoever asks meanwhile waits for the same creation."""
        if not self.topic_exists:
            await self._ensure_internal_topic()

    def partition_for(self, key_text: str) -> int:
        """The partition that coordinates the share partition `group:topicId:partition`; -1 while there are none."""
        count = self._partition_count()
        return partition_for(key_text, count) if count else -1

    def on_elected(self, partition: int, leader_epoch: int) -> None:
        """This broker leads the partition from now on."""
        self._runtime.on_elected(partition, leader_epoch)

    def on_resigned(self, partition: int) -> None:
        """This broker leads the partition no more."""
        self._runtime.on_resigned(partition)

    def on_topics_deleted(self) -> None:
        """Topics were deleted: forget the states of their partitions."""
        for partition in self._runtime.partitions():
            self._runtime.act(partition, lambda shard, now_ms: shard.forget_gone())

    def _prune(self, partition: int) -> None:
        """Forget the part of the log that snapshots have made unnecessary."""

        def decide(shard: ShareShard, now_ms: int) -> Decision:
            name = TopicPartition(SHARE_GROUP_STATE_TOPIC, partition)
            try:
                unneeded = shard.unneeded_before(self._log.end_offset(name))
                if unneeded > self._log.start_offset(name):
                    self._delete_before(name, unneeded)
            except KafkaError as error:
                logger.warning("%s: cannot be pruned now: %s", name, error)
            return Decision()

        self._runtime.act(partition, decide)

    def stop(self) -> None:
        """Tell everybody who waits to look for another coordinator. The log holds everything that counts."""
        self._runtime.stop()

    # One share partition

    def _perform(self, key: ShareKey, operation: Operation) -> Answer[Outcome]:
        def decide(shard: ShareShard, reply_key: ReplyKey, now_ms: int) -> Decision:
            try:
                return operation(shard, reply_key, now_ms)
            except KafkaError as error:  # With its text, which the runtime would drop.
                out = Decision()
                out.reply(reply_key, Outcome(NO_STATE, error))
                return out

        def refuse(code: ErrorCode) -> Outcome:
            return Outcome(NO_STATE, KafkaError(code))

        return self._runtime.perform(self.partition_for(key.text), decide, refuse)

    def read_one(self, key: ShareKey, leader_epoch: int) -> Answer[Outcome]:
        """See `ShareShard.read`."""
        return self._perform(key, lambda shard, reply_key, now_ms: shard.read(key, leader_epoch, reply_key, now_ms))

    def write_one(self, key: ShareKey, change: Change) -> Answer[Outcome]:
        """See `ShareShard.write`."""
        return self._perform(key, lambda shard, reply_key, now_ms: shard.write(key, change, reply_key, now_ms))

    def initialize_one(self, key: ShareKey, state_epoch: int, start_offset: int) -> Answer[Outcome]:
        """See `ShareShard.initialize`."""
        return self._perform(
            key,
            lambda shard, reply_key, now_ms: shard.initialize(key, state_epoch, start_offset, reply_key, now_ms),
        )

    def delete_one(self, key: ShareKey) -> Answer[Outcome]:
        """See `ShareShard.delete`."""
        return self._perform(key, lambda shard, reply_key, now_ms: shard.delete(key, reply_key))

    def summary_of(self, key: ShareKey) -> Answer[Outcome]:
        """See `ShareShard.summary`."""

        def decide(shard: ShareShard, reply_key: ReplyKey, now_ms: int) -> Decision:
            out = Decision()
            out.reply(reply_key, Outcome(shard.summary(key)))
            return out

        return self._perform(key, decide)

    # Requests

    def initialize(
        self, request: initialize_messages.InitializeShareGroupStateRequest
    ) -> Answer[initialize_messages.InitializeShareGroupStateResponse]:
        """InitializeShareGroupState."""
        m = initialize_messages
        asked = _asked(request)
        answers = [self.initialize_one(key, data.state_epoch, data.start_offset) for key, data in asked]
        kinds = m.PartitionResult, m.InitializeStateResult, m.InitializeShareGroupStateResponse
        return _answer(asked, answers, kinds, _outcome_alone)

    def read(
        self, request: read_messages.ReadShareGroupStateRequest
    ) -> Answer[read_messages.ReadShareGroupStateResponse]:
        """ReadShareGroupState."""
        m = read_messages
        asked = _asked(request)
        answers = [self.read_one(key, data.leader_epoch) for key, data in asked]

        def fields(outcome: Outcome) -> dict[str, Any]:
            state = outcome.state
            return {
                "state_epoch": state.state_epoch,
                "start_offset": state.start_offset if outcome.error is None else 0,
                "state_batches": [
                    m.StateBatch(first_offset=first, last_offset=last, delivery_state=state, delivery_count=count)
                    for first, last, state, count in state.batches
                ],
            }

        kinds = m.PartitionResult, m.ReadStateResult, m.ReadShareGroupStateResponse
        return _answer(asked, answers, kinds, fields)

    def write(
        self, request: write_messages.WriteShareGroupStateRequest
    ) -> Answer[write_messages.WriteShareGroupStateResponse]:
        """WriteShareGroupState."""
        m = write_messages
        asked = _asked(request)
        answers = [self.write_one(key, _change(data)) for key, data in asked]
        kinds = m.PartitionResult, m.WriteStateResult, m.WriteShareGroupStateResponse
        return _answer(asked, answers, kinds, _outcome_alone)

    def delete(
        self, request: delete_messages.DeleteShareGroupStateRequest
    ) -> Answer[delete_messages.DeleteShareGroupStateResponse]:
        """DeleteShareGroupState."""
        m = delete_messages
        asked = _asked(request)
        answers = [self.delete_one(key) for key, _ in asked]
        kinds = m.PartitionResult, m.DeleteStateResult, m.DeleteShareGroupStateResponse
        return _answer(asked, answers, kinds, _outcome_alone)

    def summarize(
        self, request: summary_messages.ReadShareGroupStateSummaryRequest
    ) -> Answer[summary_messages.ReadShareGroupStateSummaryResponse]:
        """ReadShareGroupStateSummary."""
        m = summary_messages
        asked = _asked(request)
        answers = [self.summary_of(key) for key, _ in asked]

        def fields(outcome: Outcome) -> dict[str, Any]:
            state = outcome.state
            return {
                "state_epoch": state.state_epoch,
                "leader_epoch": state.leader_epoch,
                "start_offset": state.start_offset if outcome.error is None else 0,
                "delivery_complete_count": state.complete_count,
            }

        kinds = m.PartitionResult, m.ReadStateSummaryResult, m.ReadShareGroupStateSummaryResponse
        return _answer(asked, answers, kinds, fields)


def _asked(request: Any) -> list[tuple[ShareKey, Any]]:
    """The share partitions of a request and what it says of each; none if something is missing in it, as Kafka has it:
    a group, topics, or partitions of one of them.
    """
    if not request.group_id or not all(topic.partitions for topic in request.topics):
        return []
    data = [partition for topic in request.topics for partition in topic.partitions]
    return list(zip(keys_of(request.group_id, request.topics), data, strict=True))


def _outcome_alone(outcome: Outcome) -> dict[str, Any]:
    """Nothing but the error, if there was one."""
    return {}


def _change(data: Any) -> Change:
    return Change(
        data.state_epoch,
        data.leader_epoch,
        data.start_offset,
        data.delivery_complete_count,
        batches_from(data.state_batches),
    )


Response = TypeVar("Response")


def _answer(
    asked: Sequence[tuple[ShareKey, Any]],
    answers: Sequence[Answer[Outcome]],
    kinds: tuple[Callable[..., Any], Callable[..., Any], Callable[..., Response]],
    fields: Callable[[Outcome], dict[str, Any]],
) -> Answer[Response]:
    """The response when every answer is there: each partition's outcome and `fields`, neighbours of one topic together.

    `kinds` make a partition's result, a topic's, and the response.
    """
    partition_result, topic_result, response = kinds

    def result(key: ShareKey, outcome: Outcome) -> Any:
        error = outcome.error
        code, message = (ErrorCode.NONE, None) if error is None else (error.code, error.message)
        return partition_result(partition=key.partition, error_code=code, error_message=message, **fields(outcome))

    def finish(outcomes: list[Outcome]) -> Response:
        pairs = zip((key for key, _ in asked), outcomes, strict=True)
        return response(
            results=[
                topic_result(topic_id=topic_id, partitions=[result(key, outcome) for key, outcome in group])
                for topic_id, group in groupby(pairs, lambda pair: pair[0].topic_id)
            ]
        )

    return when_all(answers, finish)
