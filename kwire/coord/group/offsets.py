"""Committed offsets of the groups of one shard: commit, fetch, delete, and their expiry.

Hard state only, and `replay` is its only writer. An offset of a transaction is kept apart until its marker comes; until
then a fetch that requires stable offsets is told so (KIP-447). Rules: apache/kafka `OffsetMetadataManager`.
"""

from __future__ import annotations

from collections.abc import Iterator

from kwire.coord.decision import Decision, ReplyKey
from kwire.coord.formats import NO_EXPIRY
from kwire.coord.group.config import GroupConfig
from kwire.coord.records import NO_PRODUCER
from kwire.errors import ErrorCode
from kwire.ids import TopicPartition
from kwire.named_tuple import NamedTuple
from kwire.wire.messages.group_records import OffsetCommitKey, OffsetCommitValue
from kwire.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from kwire.wire.messages.offset_fetch import (
    OffsetFetchRequestGroup,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopics,
)
from kwire.wire.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
)

INVALID_OFFSET = -1
NO_COMMIT_TIMESTAMP = -1
NO_RETENTION_TIME = -1


class CommittedOffset(NamedTuple):
    """A position, as it was committed. `expire_timestamp_ms` is -1 unless the commit brought its own retention.

    `order` grows from record to record: of two commits that come to count, the later record is the one that does.
    """

    offset: int
    leader_epoch: int
    metadata: str
    commit_timestamp_ms: int
    expire_timestamp_ms: int
    order: int = 0


TopicOffsets = dict[str, dict[int, CommittedOffset]]
"""By topic and partition."""


class GroupOffsets:
    """The offsets of every group of one shard."""

    __slots__ = ("_config", "_order", "_pending", "by_group")

    def __init__(self, config: GroupConfig) -> None:
        self._config = config
        self._order = 0
        self.by_group: dict[str, TopicOffsets] = {}
        self._pending: dict[int, dict[str, TopicOffsets]] = {}

    # Requests; that the group lets the request through is checked before.

    def commit(self, request: OffsetCommitRequest, key: ReplyKey, now_ms: int) -> Decision:
        """One record per partition; OFFSET_METADATA_TOO_LARGE for those whose metadata is longer than allowed."""
        out = Decision()
        limit = self._config.offset_metadata_max_size
        expire_ms = NO_EXPIRY
        if request.retention_time_ms != NO_RETENTION_TIME:
            expire_ms = now_ms + request.retention_time_ms
        topics = []
        for topic in request.topics:
            answers = []
            for partition in topic.partitions:
                index, metadata = partition.partition_index, partition.committed_metadata
                code = ErrorCode.NONE
                if metadata is not None and len(metadata) > limit:
                    code = ErrorCode.OFFSET_METADATA_TOO_LARGE
                else:
                    self._commit_one(request.group_id, topic.name, partition, expire_ms, now_ms, out)
                answers.append(OffsetCommitResponsePartition(partition_index=index, error_code=code))
            topics.append(OffsetCommitResponseTopic(name=topic.name, topic_id=topic.topic_id, partitions=answers))
        out.reply(key, OffsetCommitResponse(topics=topics))
        return out

    def commit_in_transaction(self, request: TxnOffsetCommitRequest, key: ReplyKey, now_ms: int) -> Decision:
        """As `commit`, within the producer's transaction: the offsets wait for its marker."""
        out = Decision(producer=(request.producer_id, request.producer_epoch))
        limit = self._config.offset_metadata_max_size
        topics = []
        for topic in request.topics:
            answers = []
            for partition in topic.partitions:
                index, metadata = partition.partition_index, partition.committed_metadata or ""
                code = ErrorCode.OFFSET_METADATA_TOO_LARGE if len(metadata) > limit else ErrorCode.NONE
                if code is ErrorCode.NONE:
                    out.record(
                        OffsetCommitKey(group=request.group_id, topic=topic.name, partition=index),
                        OffsetCommitValue(
                            offset=partition.committed_offset,
                            leader_epoch=partition.committed_leader_epoch,
                            metadata=metadata,
                            commit_timestamp=now_ms,
                            expire_timestamp=NO_EXPIRY,
                        ),
                    )
                answers.append(TxnOffsetCommitResponsePartition(partition_index=index, error_code=code))
            topics.append(TxnOffsetCommitResponseTopic(name=topic.name, partitions=answers))
        out.reply(key, TxnOffsetCommitResponse(throttle_time_ms=0, topics=topics))
        return out

    def _commit_one(
        self,
        group_id: str,
        topic: str,
        partition: OffsetCommitRequestPartition,
        expire_ms: int,
        now_ms: int,
        out: Decision,
    ) -> None:
        committed_at_ms = partition.commit_timestamp
        out.record(
            OffsetCommitKey(group=group_id, topic=topic, partition=partition.partition_index),
            OffsetCommitValue(
                offset=partition.committed_offset,
                leader_epoch=partition.committed_leader_epoch,
                metadata=partition.committed_metadata or "",
                commit_timestamp=now_ms if committed_at_ms == NO_COMMIT_TIMESTAMP else committed_at_ms,
                expire_timestamp=expire_ms,
            ),
        )

    def fetch(self, request: OffsetFetchRequestGroup, require_stable: bool) -> OffsetFetchResponseGroup:
        """The group's offsets for the asked topics, or for all (null); -1 where nothing is committed.

        With `require_stable` a partition with an offset of an open transaction is UNSTABLE_OFFSET_COMMIT.
        """
        group_id = request.group_id
        offsets = self.by_group.get(group_id, {})
        unstable = self._pending_partitions(group_id) if require_stable and self._pending else frozenset()
        if request.topics is None:
            asked = [(topic, list(partitions)) for topic, partitions in offsets.items()]
        else:
            asked = [(topic.name, topic.partition_indexes) for topic in request.topics]
        topics = []
        for name, indexes in asked:
            committed = offsets.get(name, {})
            topics.append(
                OffsetFetchResponseTopics(
                    name=name,
                    partitions=[_fetched(index, committed.get(index), (name, index) in unstable) for index in indexes],
                )
            )
        return OffsetFetchResponseGroup(group_id=group_id, topics=topics, error_code=ErrorCode.NONE)

    def delete(self, group_id: str, topic: str, partition: int, out: Decision) -> None:
        """A tombstone for one partition if there is anything to forget."""
        is_committed = partition in self.by_group.get(group_id, {}).get(topic, {})
        if is_committed or self.is_pending(group_id, TopicPartition(topic, partition)):
            _forget(group_id, topic, partition, out)

    def delete_all(self, group_id: str, out: Decision) -> None:
        """Tombstones for everything that the group committed, transactions under way included."""
        forgotten = set(self._pending_partitions(group_id))
        for topic, partitions in self.by_group.get(group_id, {}).items():
            forgotten.update(TopicPartition(topic, partition) for partition in partitions)
        for topic, partition in sorted(forgotten):
            _forget(group_id, topic, partition, out)

    def delete_partitions(self, deleted: frozenset[TopicPartition], out: Decision) -> None:
        """Tombstones for partitions that exist no more, in every group."""
        stores = [self.by_group, *self._pending.values()]
        doomed = {
            (group_id, topic, partition)
            for store in stores
            for group_id, topics in store.items()
            for topic, partitions in topics.items()
            for partition in partitions
            if (topic, partition) in deleted
        }
        for group_id, topic, partition in sorted(doomed):
            _forget(group_id, topic, partition, out)

    def has_offsets(self, group_id: str) -> bool:
        """Whether anything is committed, or about to be by a transaction."""
        return group_id in self.by_group or self.has_pending(group_id)

    def has_pending(self, group_id: str) -> bool:
        """Whether an open transaction holds offsets of this group."""
        return any(group_id in groups for groups in self._pending.values())

    def committed(self, group_id: str) -> Iterator[tuple[TopicPartition, CommittedOffset]]:
        """Every committed offset of one group."""
        for topic, partitions in self.by_group.get(group_id, {}).items():
            for partition, committed in partitions.items():
                yield TopicPartition(topic, partition), committed

    def is_pending(self, group_id: str, partition: TopicPartition) -> bool:
        """Whether an open transaction holds an offset of this partition for this group."""
        return any(
            partition.partition in groups.get(group_id, {}).get(partition.topic, {})
            for groups in self._pending.values()
        )

    def _pending_partitions(self, group_id: str) -> frozenset[TopicPartition]:
        return frozenset(
            TopicPartition(topic, partition)
            for groups in self._pending.values()
            for topic, partitions in groups.get(group_id, {}).items()
            for partition in partitions
        )

    # Replay

    def replay(self, key: OffsetCommitKey, value: OffsetCommitValue | None, producer_id: int) -> None:
        """Take one record in: at once, or with its transaction's marker."""
        if value is None:
            _remove(self.by_group, key.group, key.topic, key.partition)
            for producer in list(self._pending):
                _remove(self._pending[producer], key.group, key.topic, key.partition)
                if not self._pending[producer]:
                    del self._pending[producer]
            return
        store = self.by_group if producer_id == NO_PRODUCER else self._pending.setdefault(producer_id, {})
        topics = store.get(key.group)
        if topics is None:
            topics = store[key.group] = {}
        partitions = topics.get(key.topic)
        if partitions is None:
            partitions = topics[key.topic] = {}
        self._order += 1
        partitions[key.partition] = CommittedOffset(
            value.offset,
            value.leader_epoch,
            value.metadata,
            value.commit_timestamp,
            value.expire_timestamp,
            self._order,
        )

    def replay_marker(self, producer_id: int, committed: bool) -> None:
        """A producer's transaction is over: its offsets count from now on, or never did.

        What was committed after them while the transaction was open stays.
        """
        groups = self._pending.pop(producer_id, {})
        if not committed:
            return
        for group_id, topics in groups.items():
            for topic, partitions in topics.items():
                counting = self.by_group.setdefault(group_id, {}).setdefault(topic, {})
                for partition, pending in partitions.items():
                    known = counting.get(partition)
                    if known is None or known.order < pending.order:
                        counting[partition] = pending


def _fetched(index: int, committed: CommittedOffset | None, is_unstable: bool) -> OffsetFetchResponsePartitions:
    if is_unstable or committed is None:
        return OffsetFetchResponsePartitions(
            partition_index=index,
            committed_offset=INVALID_OFFSET,
            committed_leader_epoch=-1,
            metadata="",
            error_code=ErrorCode.UNSTABLE_OFFSET_COMMIT if is_unstable else ErrorCode.NONE,
        )
    return OffsetFetchResponsePartitions(
        partition_index=index,
        committed_offset=committed.offset,
        committed_leader_epoch=committed.leader_epoch,
        metadata=committed.metadata,
        error_code=ErrorCode.NONE,
    )


def _forget(group_id: str, topic: str, partition: int, out: Decision) -> None:
    out.record(OffsetCommitKey(group=group_id, topic=topic, partition=partition), None)


def _remove(store: dict[str, TopicOffsets], group_id: str, topic: str, partition: int) -> None:
    topics = store.get(group_id)
    partitions = topics.get(topic) if topics is not None else None
    if topics is None or partitions is None:
        return
    partitions.pop(partition, None)
    if not partitions:
        del topics[topic]
        if not topics:
            del store[group_id]
