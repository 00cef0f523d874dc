"""Where share groups stand, and how an administrator moves them: the offsets' APIs, and what comes before a deletion.

A group's offsets are the start offsets of its partitions' states. They are altered, by initialising the states anew,
and deleted only while the group has no members. (KIP-932; apache/kafka `GroupCoordinatorService`.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from kwire.coord.answers import Answer, settled
from kwire.coord.decision import Decision, ReplyKey
from kwire.coord.group.shard import GroupShard
from kwire.coord.group.share.coordinator import ShareGroupCoordinator, share_group, share_groups
from kwire.coord.group.share.group import ShareGroup
from kwire.coord.group.share.initialization import InitializeOrder, states_to_delete, with_initializing
from kwire.coord.group.share.records import StateStages, TopicStates, stages_record
from kwire.coord.partitioning import partitions_of
from kwire.coord.share.shard import Outcome
from kwire.coord.share.state import NO_COUNT, NO_START_OFFSET, ShareKey
from kwire.errors import ErrorCode, KafkaError
from kwire.ids import ZERO_UUID
from kwire.wire.messages import alter_share_group_offsets as alter_messages
from kwire.wire.messages import delete_share_group_offsets as delete_messages
from kwire.wire.messages import describe_share_group_offsets as describe_messages

Places = Mapping[bytes, Iterable[int]]
"""Partition numbers by topic id."""


NOWHERE: Places = {}
UNKNOWN = Outcome(error=KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION))


class Verdict(NamedTuple):
    """What a shard says to a request: it is refused, or these states are concerned."""

    error: KafkaError | None
    places: Places = NOWHERE
    unknown: tuple[str, ...] = ()
    state_epoch: int = -1


class ShareGroupOffsets:
    """The offsets of share groups. `latest_offset(topic, partition)` is the end of what can be read."""

    def __init__(self, groups: ShareGroupCoordinator, latest_offset: Callable[[str, int], int]) -> None:
        self._groups = groups
        self._latest_offset = latest_offset

    # Where they stand

    async def describe(
        self, asked: describe_messages.DescribeShareGroupOffsetsRequestGroup
    ) -> describe_messages.DescribeShareGroupOffsetsResponseGroup:
        """One group of a DescribeShareGroupOffsets; null topics mean all that it has states of."""
        m = describe_messages
        topics = []
        known = self._groups.topics
        if asked.topics is None:
            verdict = await settled(self._initialized(asked.group_id))
            if verdict.error is not None:
                return describe_failure(asked.group_id, verdict.error)
            for topic_id, partitions in verdict.places.items():
                topic = known.topic_by_id(topic_id)
                if topic is not None:
                    found = await self._stand(asked.group_id, topic, sorted(partitions))
                    topics.append(
                        m.DescribeShareGroupOffsetsResponseTopic(
                            topic_name=topic.name, topic_id=topic_id, partitions=found
                        )
                    )
        for wanted in asked.topics or ():
            topic = known.topics.get(wanted.topic_name)
            found = await self._stand(asked.group_id, topic, wanted.partitions)
            topic_id = ZERO_UUID if topic is None else topic.topic_id
            topics.append(
                m.DescribeShareGroupOffsetsResponseTopic(
                    topic_name=wanted.topic_name, topic_id=topic_id, partitions=found
                )
            )
        return m.DescribeShareGroupOffsetsResponseGroup(
            group_id=asked.group_id, topics=topics, error_code=ErrorCode.NONE
        )

    async def _stand(
        self, group_id: str, topic: Any, numbers: Iterable[int]
    ) -> list[describe_messages.DescribeShareGroupOffsetsResponsePartition]:
        """These partitions of a topic, None if there is no such topic."""
        if topic is None:
            return [self._stands(topic, number, UNKNOWN) for number in numbers]
        summary_of = self._groups.persister.summary_of
        asked = [(number, summary_of(ShareKey(group_id, topic.topic_id, number))) for number in numbers]
        return [self._stands(topic, number, await settled(answer)) for number, answer in asked]

    def _stands(
        self, topic: Any, number: int, outcome: Outcome
    ) -> describe_messages.DescribeShareGroupOffsetsResponsePartition:
        """One partition; -1 for what is not known. The lag counts records that are not done with yet (KIP-1226)."""
        answer = describe_messages.DescribeShareGroupOffsetsResponsePartition(
            partition_index=number, start_offset=NO_START_OFFSET, leader_epoch=0, error_code=ErrorCode.NONE
        )
        if outcome.error is not None:
            return answer
        state = outcome.state
        answer.start_offset, answer.leader_epoch = state.start_offset, state.leader_epoch
        if state.start_offset == NO_START_OFFSET or state.complete_count == NO_COUNT:
            return answer
        try:
            answer.lag = self._latest_offset(topic.name, number) - state.start_offset - state.complete_count
        except KafkaError as error:
            answer.error_code, answer.error_message = error.code, error.message
            answer.start_offset, answer.leader_epoch = 0, 0
        return answer

    def _initialized(self, group_id: str) -> Answer[Verdict]:
        def ask(shard: GroupShard, now_ms: int) -> Verdict:
            group = share_groups(shard).groups.get(group_id)
            stages = StateStages() if group is None else group.known_stages
            return Verdict(None, {topic_id: topic.partitions for topic_id, topic in stages.initialized.items()})

        partition = self._groups.groups.partition_for(group_id)
        return self._groups.groups.runtime.read(partition, ask, lambda code: Verdict(KafkaError(code)))

    # Altering

    async def alter(
        self, request: alter_messages.AlterShareGroupOffsetsRequest
    ) -> alter_messages.AlterShareGroupOffsetsResponse:
        """AlterShareGroupOffsets: INVALID_GROUP_ID, NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND (a group of another kind) for
        the whole; per partition UNKNOWN_TOPIC_OR_PARTITION, and what the persister says.
        """
        if not request.group_id:
            return alter_refused(KafkaError(ErrorCode.INVALID_GROUP_ID))
        topics = self._groups.topics.topics
        offsets: dict[bytes, dict[int, int]] = {}
        for asked in request.topics:
            topic = topics.get(asked.topic_name)
            for partition in asked.partitions:
                if topic is not None and 0 <= partition.partition_index < len(topic.partitions):
                    offsets.setdefault(topic.topic_id, {})[partition.partition_index] = partition.start_offset

        def decide(shard: GroupShard, key: ReplyKey, now_ms: int) -> Decision:
            out = Decision()
            try:
                group = share_group(shard, request.group_id, may_be_new=True)
                _check_empty(group)
            except KafkaError as error:
                out.reply(key, Verdict(error))
                return out
            if offsets:
                stages = with_initializing(group.known_stages, self._begun(offsets))
                out.records.append(stages_record(group.group_id, stages))
            out.reply(key, Verdict(None, offsets, state_epoch=group.group_epoch))
            return out

        verdict = await settled(self._groups.perform(request.group_id, decide, lambda code: Verdict(KafkaError(code))))
        if verdict.error is not None:
            return alter_refused(verdict.error)
        failure = None
        if offsets:
            failure = await self._groups.make_states(InitializeOrder(request.group_id, verdict.state_epoch, offsets))
        return self._altered(request, offsets, failure)

    def _begun(self, offsets: Mapping[bytes, Mapping[int, int]]) -> dict[bytes, TopicStates]:
        names = {
            topic.topic_id: name for name, topic in self._groups.topics.topics.items() if topic.topic_id in offsets
        }
        return {topic_id: TopicStates(names[topic_id], frozenset(wanted)) for topic_id, wanted in offsets.items()}

    def _altered(
        self,
        request: alter_messages.AlterShareGroupOffsetsRequest,
        offsets: Mapping[bytes, Mapping[int, int]],
        failure: KafkaError | None,
    ) -> alter_messages.AlterShareGroupOffsetsResponse:
        m = alter_messages
        responses = []
        for asked in request.topics:
            topic = self._groups.topics.topics.get(asked.topic_name)
            topic_id = ZERO_UUID if topic is None else topic.topic_id
            partitions = []
            for partition in asked.partitions:
                error = failure
                if partition.partition_index not in offsets.get(topic_id, {}):
                    error = KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_PARTITION)
                partitions.append(
                    m.AlterShareGroupOffsetsResponsePartition(
                        partition_index=partition.partition_index,
                        error_code=ErrorCode.NONE if error is None else error.code,
                        error_message=None if error is None else error.message,
                    )
                )
            responses.append(
                m.AlterShareGroupOffsetsResponseTopic(
                    topic_name=asked.topic_name, topic_id=topic_id, partitions=partitions
                )
            )
        return m.AlterShareGroupOffsetsResponse(
            throttle_time_ms=0, error_code=ErrorCode.NONE, error_message=None, responses=responses
        )

    # Deleting

    async def delete(
        self, request: delete_messages.DeleteShareGroupOffsetsRequest
    ) -> delete_messages.DeleteShareGroupOffsetsResponse:
        """DeleteShareGroupOffsets: INVALID_GROUP_ID, GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP for the whole; per topic
        UNKNOWN_TOPIC_OR_PARTITION, and what the persister says.
        """
        if not request.group_id:
            return delete_refused(KafkaError(ErrorCode.INVALID_GROUP_ID))
        names = [topic.topic_name for topic in request.topics]

        def decide(shard: GroupShard, key: ReplyKey, now_ms: int) -> Decision:
            out = Decision()
            try:
                group = share_group(shard, request.group_id, may_be_new=False)
                _check_empty(group)
            except KafkaError as error:
                out.reply(key, Verdict(error))
                return out
            out.reply(key, self._begin_deletion(group, names, out))
            return out

        verdict = await settled(self._groups.perform(request.group_id, decide, lambda code: Verdict(KafkaError(code))))
        if verdict.error is not None:
            return delete_refused(verdict.error)
        responses = [
            _deleted(name, ZERO_UUID, KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_PARTITION))
            for name in verdict.unknown
        ]
        failures = await self._delete_states(request.group_id, verdict.places)
        gone = [topic_id for topic_id, error in failures.items() if error is None]
        self._groups.act(request.group_id, lambda shares: shares.set_stages(request.group_id, _without_deleting(gone)))
        for topic_id, error in failures.items():
            topic = self._groups.topics.topic_by_id(topic_id)
            responses.append(_deleted("" if topic is None else topic.name, topic_id, error))
        return delete_messages.DeleteShareGroupOffsetsResponse(
            throttle_time_ms=0, error_code=ErrorCode.NONE, error_message=None, responses=responses
        )

    def _begin_deletion(self, group: ShareGroup, names: Iterable[str], out: Decision) -> Verdict:
        """The states of these topics are to be deleted, also where that was begun before."""
        if group.stages is None:
            return Verdict(None)
        initialized, deleting = dict(group.stages.initialized), dict(group.stages.deleting)
        places: dict[bytes, Iterable[int]] = {}
        unknown = []
        for name in names:
            topic = self._groups.topics.topics.get(name)
            if topic is not None and topic.topic_id in initialized:
                places[topic.topic_id] = initialized.pop(topic.topic_id).partitions
                deleting[topic.topic_id] = name
            elif topic is not None and topic.topic_id in deleting:
                places[topic.topic_id] = range(len(topic.partitions))
            else:
                unknown.append(name)
        stages = StateStages(group.stages.initializing, initialized, deleting)
        out.records.append(stages_record(group.group_id, stages))
        return Verdict(None, places, tuple(unknown))

    async def _delete_states(self, group_id: str, places: Places) -> dict[bytes, KafkaError | None]:
        """By topic id the first thing that went wrong."""
        delete_one = self._groups.persister.delete_one
        answers = [
            (topic_id, delete_one(ShareKey(group_id, topic_id, partition)))
            for topic_id, partitions in places.items()
            for partition in partitions
        ]
        failures: dict[bytes, KafkaError | None] = dict.fromkeys(places)
        for topic_id, answer in answers:
            outcome = await settled(answer)
            failures[topic_id] = failures[topic_id] or outcome.error
        return failures

    async def before_deletion(self, group_ids: Iterable[str]) -> dict[str, ErrorCode]:
        """Delete the states of the share groups among these; those that must not be deleted now, with the reason.

        NON_EMPTY_GROUP, and what the persister says.
        """
        refused: dict[str, ErrorCode] = {}
        by_partition = partitions_of(group_ids, self._groups.groups.partition_for)
        for group_id in (group_id for ids in by_partition.values() for group_id in ids):
            verdict = await settled(
                self._groups.perform(group_id, self._decide_deletion(group_id), lambda code: Verdict(None))
            )
            if verdict.error is not None:
                refused[group_id] = verdict.error.code
                continue
            failures = await self._delete_states(group_id, verdict.places)
            error = next((error for error in failures.values() if error is not None), None)
            if error is not None:
                refused[group_id] = error.code
        return refused

    def _decide_deletion(self, group_id: str) -> Callable[[GroupShard, ReplyKey, int], Decision]:
        def decide(shard: GroupShard, key: ReplyKey, now_ms: int) -> Decision:
            out = Decision()
            group = share_groups(shard).groups.get(group_id)
            if group is None or group.stages is None:
                out.reply(key, Verdict(None))
            elif not group.is_empty:
                out.reply(key, Verdict(KafkaError(ErrorCode.NON_EMPTY_GROUP)))
            else:
                doomed = states_to_delete(group.stages, self._groups.topics)
                names = {topic_id: topic.name for topic_id, topic in doomed.items()}
                out.records.append(stages_record(group_id, StateStages({}, {}, names)))
                out.reply(key, Verdict(None, {topic_id: topic.partitions for topic_id, topic in doomed.items()}))
            return out

        return decide


UNKNOWN_PARTITION = "This server does not host this topic-partition, or the group has no state of it."


def _check_empty(group: ShareGroup) -> None:
    if not group.is_empty:
        raise KafkaError(ErrorCode.NON_EMPTY_GROUP, f"Group {group.group_id} has members.")


def _without_deleting(gone: Iterable[bytes]) -> Callable[[StateStages], StateStages]:
    doomed = set(gone)
    return lambda stages: stages._replace(
        deleting={topic_id: name for topic_id, name in stages.deleting.items() if topic_id not in doomed}
    )


def _deleted(
    name: str, topic_id: bytes, error: KafkaError | None
) -> delete_messages.DeleteShareGroupOffsetsResponseTopic:
    return delete_messages.DeleteShareGroupOffsetsResponseTopic(
        topic_name=name,
        topic_id=topic_id,
        error_code=ErrorCode.NONE if error is None else error.code,
        error_message=None if error is None else error.message,
    )


def describe_failure(group_id: str, error: KafkaError) -> describe_messages.DescribeShareGroupOffsetsResponseGroup:
    """A group about which nothing can be said."""
    return describe_messages.DescribeShareGroupOffsetsResponseGroup(
        group_id=group_id, topics=[], error_code=error.code, error_message=error.message
    )


def alter_refused(error: KafkaError) -> alter_messages.AlterShareGroupOffsetsResponse:
    """Nothing was altered."""
    return alter_messages.AlterShareGroupOffsetsResponse(
        throttle_time_ms=0, error_code=error.code, error_message=error.message, responses=[]
    )


def delete_refused(error: KafkaError) -> delete_messages.DeleteShareGroupOffsetsResponse:
    """Nothing was deleted."""
    return delete_messages.DeleteShareGroupOffsetsResponse(
        throttle_time_ms=0, error_code=error.code, error_message=error.message, responses=[]
    )
