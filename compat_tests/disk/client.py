"""Raw requests to any broker: what is appended is the caller's bytes, what is fetched is the log's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from kwire.cli.connection import BrokerUnreachable, ClientError, Connection
from kwire.errors import RETRIABLE, ErrorCode
from kwire.wire.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from kwire.wire.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from kwire.wire.messages.describe_groups import DescribeGroupsRequest
from kwire.wire.messages.describe_transactions import DescribeTransactionsRequest
from kwire.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from kwire.wire.messages.find_coordinator import FindCoordinatorRequest
from kwire.wire.messages.list_groups import ListGroupsRequest
from kwire.wire.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from kwire.wire.messages.metadata import MetadataRequest
from kwire.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from kwire.wire.messages.offset_fetch import OffsetFetchRequest
from kwire.wire.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from kwire.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kwire.wire.parts import Part

PATIENCE_S, SETTLE_S = 60.0, 120.0
EARLIEST, LATEST, MAX_TIMESTAMP = -2, -1, -3
FETCH_VERSION, PRODUCE_VERSION = 11, 9
_FETCH_BYTES = 8 << 20
_NOT_YET = RETRIABLE | {ErrorCode.BROKER_NOT_AVAILABLE}
"""The last one is what `topics` says of a broker of Kafka's that accepts connections and knows no broker yet."""

T = TypeVar("T")


class Refused(Exception):
    """The broker answered with an error code."""

    def __init__(self, code: int, what: str, message: str | None = None) -> None:
        super().__init__(f"{what}: {_name(code)}{f' ({message})' if message else ''}")
        self.code = code


def _name(code: int) -> str:
    try:
        return ErrorCode(code).name
    except ValueError:
        return str(code)


def check(code: int, what: str, message: str | None = None) -> None:
    """Raises Refused unless the code is 0."""
    if code:
        raise Refused(code, what, message)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Look again and again. Raises AssertionError after a while."""
    deadline = time.monotonic() + SETTLE_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {SETTLE_S:.0f} s for {what}")
        time.sleep(0.2)


class Client:
    """One broker. Every call is tried again for a minute while the broker is not ready for it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: Connection | None = None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, request: Any, version: int | None = None) -> Any:
        """One request and its answer. Raises ClientError."""
        if self._connection is None:
            self._connection = Connection("127.0.0.1", self._port, client_id="compat-disk")
        try:
            return self._connection.call(request, version=version)
        except BrokerUnreachable:
            self.close()
            raise

    def retrying(self, work: Callable[[], T]) -> T:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return work()
            except Refused as error:
                if error.code not in _NOT_YET or time.monotonic() > deadline:
                    raise
            except ClientError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    def versions(self) -> dict[int, tuple[int, int]]:
        """(lowest, highest) version that the broker serves, by API key."""
        self.topics()
        assert self._connection is not None
        return self._connection.versions

    # Topics.

    def create_topic(self, name: str, partitions: int, options: Mapping[str, str]) -> None:
        """Once the cluster has a broker: Kafka accepts connections before it knows of itself. Raises Refused."""
        self.topics()
        configs = [CreatableTopicConfig(name=key, value=value) for key, value in options.items()]
        topic = CreatableTopic(
            name=name, num_partitions=partitions, replication_factor=1, assignments=[], configs=configs
        )
        answer = self.call(CreateTopicsRequest(topics=[topic], timeout_ms=30_000)).topics[0]
        check(answer.error_code, f"create {name}", answer.error_message)

    def topics(self, expected: Iterable[str] = ()) -> dict[str, int]:
        """Partition counts by topic name, once the expected ones are there and each partition has a leader."""

        def ask() -> dict[str, int]:
            answer = self.call(MetadataRequest(topics=None, allow_auto_topic_creation=False), 8)
            check(0 if answer.brokers else ErrorCode.BROKER_NOT_AVAILABLE, "metadata")
            for topic in answer.topics:
                check(topic.error_code, topic.name)
                for partition in topic.partitions:
                    check(partition.error_code, f"{topic.name}-{partition.partition_index}")
            found = {topic.name: len(topic.partitions) for topic in answer.topics}
            missing = [name for name in expected if name not in found]
            check(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if missing else 0, f"topics {missing}")
            return found

        return self.retrying(ask)

    # Records.

    def produce(
        self,
        topic: str,
        partition: int,
        records: Part,
        *,
        version: int = PRODUCE_VERSION,
        transactional_id: str | None = None,
    ) -> int:
        """The base offset that the batch got. Raises Refused."""
        data = TopicProduceData(name=topic, partition_data=[PartitionProduceData(index=partition, records=records)])
        request = ProduceRequest(transactional_id=transactional_id, acks=-1, timeout_ms=30_000, topic_data=[data])

        def ask() -> int:
            answer = self.call(request, version).responses[0].partition_responses[0]
            check(answer.error_code, f"produce to {topic}-{partition}", answer.error_message)
            return int(answer.base_offset)

        return self.retrying(ask)

    def fetch(self, topic: str, partition: int, offset: int, *, committed: bool = False) -> Any:
        """The partition's answer (`PartitionData`) from `offset` on. Raises Refused."""
        wanted = FetchPartition(partition=partition, fetch_offset=offset, partition_max_bytes=_FETCH_BYTES)
        request = FetchRequest(
            max_wait_ms=0,
            min_bytes=0,
            max_bytes=_FETCH_BYTES,
            isolation_level=int(committed),
            topics=[FetchTopic(topic=topic, partitions=[wanted])],
        )

        def ask() -> Any:
            answer = self.call(request, FETCH_VERSION).responses[0].partitions[0]
            check(answer.error_code, f"fetch {topic}-{partition} from {offset}")
            return answer

        return self.retrying(ask)

    def offset_at(self, topic: str, partition: int, timestamp: int, *, committed: bool = False) -> tuple[int, int]:
        """(timestamp, offset) as ListOffsets tells them; `timestamp` is in ms, or one of the negative ones."""
        wanted = ListOffsetsPartition(partition_index=partition, timestamp=timestamp)
        topics = [ListOffsetsTopic(name=topic, partitions=[wanted])]
        request = ListOffsetsRequest(replica_id=-1, isolation_level=int(committed), topics=topics)

        def ask() -> tuple[int, int]:
            answer = self.call(request, 7).topics[0].partitions[0]
            check(answer.error_code, f"offset of {topic}-{partition} at {timestamp}")
            return int(answer.timestamp), int(answer.offset)

        return self.retrying(ask)

    def end_of_epoch(self, topic: str, partition: int, epoch: int) -> tuple[int, int]:
        """(epoch, end offset) of OffsetForLeaderEpoch."""
        wanted = OffsetForLeaderPartition(partition=partition, leader_epoch=epoch)
        request = OffsetForLeaderEpochRequest(topics=[OffsetForLeaderTopic(topic=topic, partitions=[wanted])])

        def ask() -> tuple[int, int]:
            answer = self.call(request, 4).topics[0].partitions[0]
            check(answer.error_code, f"epoch {epoch} of {topic}-{partition}")
            return int(answer.leader_epoch), int(answer.end_offset)

        return self.retrying(ask)

    def delete_records(self, topic: str, partition: int, offset: int) -> None:
        wanted = DeleteRecordsTopic(
            name=topic, partitions=[DeleteRecordsPartition(partition_index=partition, offset=offset)]
        )
        request = DeleteRecordsRequest(topics=[wanted], timeout_ms=30_000)

        def ask() -> None:
            answer = self.call(request, 2).topics[0].partitions[0]
            check(answer.error_code, f"delete records of {topic}-{partition}")

        self.retrying(ask)

    # Groups.

    def await_coordinator(self, name: str, *, key_type: int = 0) -> None:
        """Of a group, or of a transactional id (`key_type` 1)."""

        def ask() -> None:
            answer = self.call(FindCoordinatorRequest(key=name, key_type=key_type), 3)
            check(answer.error_code, f"coordinator of {name}", answer.error_message)

        self.retrying(ask)

    def commit(
        self,
        group: str,
        topic: str,
        offsets: Mapping[int, tuple[int, int, str | None]],
        *,
        member: tuple[str, int] = ("", -1),
        version: int = 7,
    ) -> None:
        """Commit (offset, leader epoch, metadata) by partition, as (member id, generation) or as nobody's member.

        Members of the newer kinds of groups commit with their epoch, and with version 9.
        """
        partitions = [
            OffsetCommitRequestPartition(
                partition_index=partition,
                committed_offset=offset,
                committed_leader_epoch=epoch,
                committed_metadata=metadata,
            )
            for partition, (offset, epoch, metadata) in offsets.items()
        ]
        topics = [OffsetCommitRequestTopic(name=topic, partitions=partitions)]
        request = OffsetCommitRequest(
            group_id=group, member_id=member[0], generation_id_or_member_epoch=member[1], topics=topics
        )

        def ask() -> None:
            answer = self.call(request, version)
            for partition in answer.topics[0].partitions:
                check(partition.error_code, f"commit of {group}")

        self.await_coordinator(group)
        self.retrying(ask)

    def groups(self) -> list[str]:
        def ask() -> list[str]:
            answer = self.call(ListGroupsRequest(), 3)
            check(answer.error_code, "list groups")
            return sorted(group.group_id for group in answer.groups)

        return self.retrying(ask)

    def describe_group(self, group: str) -> Any:
        def ask() -> Any:
            answer = self.call(DescribeGroupsRequest(groups=[group]), 4).groups[0]
            check(answer.error_code, f"describe {group}")
            return answer

        return self.retrying(ask)

    def committed(self, group: str) -> dict[tuple[str, int], tuple[int, int, str | None]]:
        """(offset, leader epoch, metadata) by topic and partition."""

        def ask() -> dict[tuple[str, int], tuple[int, int, str | None]]:
            answer = self.call(OffsetFetchRequest(group_id=group, topics=None), 7)
            check(answer.error_code, f"offsets of {group}")
            return {
                (topic.name, p.partition_index): (p.committed_offset, p.committed_leader_epoch, p.metadata)
                for topic in answer.topics
                for p in topic.partitions
            }

        self.await_coordinator(group)
        return self.retrying(ask)

    # Transactions.

    def describe_transaction(self, transactional_id: str) -> Any:
        """`TransactionState`. Raises Refused."""

        def ask() -> Any:
            answer = self.call(DescribeTransactionsRequest(transactional_ids=[transactional_id]), 0)
            state = answer.transaction_states[0]
            check(state.error_code, f"describe {transactional_id}")
            return state

        self.await_coordinator(transactional_id, key_type=1)
        return self.retrying(ask)
