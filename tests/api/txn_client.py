"""A transactional producer by hand, over a whole broker: requests of any version, and what they are answered."""

from __future__ import annotations

from typing import Any

from kwire.errors import ErrorCode
from kwire.wire.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from kwire.wire.messages.add_partitions_to_txn import AddPartitionsToTxnRequest, AddPartitionsToTxnTopic
from kwire.wire.messages.end_txn import EndTxnRequest
from kwire.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from kwire.wire.messages.find_coordinator import FindCoordinatorRequest
from kwire.wire.messages.init_producer_id import InitProducerIdRequest
from kwire.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kwire.wire.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from tests.api.served import Served, batch, records


class TxnClient:
    """One transactional id. `sequence` counts per partition; errors are answers, never raised."""

    def __init__(self, served: Served, name: str = "x", *, begin: bool = True) -> None:
        self.served = served
        self.name = name
        self.producer_id = self.epoch = -1
        self.sequences: dict[tuple[str, int], int] = {}
        if begin:
            found = served.call(FindCoordinatorRequest(key=name, key_type=1), 1)
            assert (found.error_code, found.node_id) == (ErrorCode.NONE, served.broker.broker_id)
            self.take(self.init())

    def take(self, response: Any) -> Any:
        assert response.error_code == ErrorCode.NONE, response
        self.producer_id, self.epoch = response.producer_id, response.producer_epoch
        self.sequences.clear()
        return response

    def init(self, version: int = 5, **fields: Any) -> Any:
        request = InitProducerIdRequest(transactional_id=self.name, **{"transaction_timeout_ms": 60_000, **fields})
        return self.served.call(request, version)

    def add(self, topic: str = "t", *partitions: int, version: int = 3, epoch: int | None = None) -> list[int]:
        request = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=self.name,
            v3_and_below_producer_id=self.producer_id,
            v3_and_below_producer_epoch=self.epoch if epoch is None else epoch,
            v3_and_below_topics=[AddPartitionsToTxnTopic(name=topic, partitions=list(partitions or (0,)))],
        )
        (result,) = self.served.call(request, version).results_by_topic_v3_and_below
        return [partition.partition_error_code for partition in result.results_by_partition]

    def produce(
        self, *values: bytes, topic: str = "t", partition: int = 0, version: int = 12, **fields: Any
    ) -> ErrorCode:
        """Produce and count the sequence on; the partition's error code."""
        at = (topic, partition)
        options = {
            "producer_id": self.producer_id,
            "producer_epoch": self.epoch,
            "base_sequence": self.sequences.get(at, 0),
            "transactional": True,
            **fields,
        }
        data = PartitionProduceData(index=partition, records=batch(*values, **options))
        request = ProduceRequest(
            transactional_id=self.name,
            acks=-1,
            timeout_ms=1000,
            topic_data=[TopicProduceData(name=topic, partition_data=[data])],
        )
        ((result,),) = [t.partition_responses for t in self.served.call(request, version).responses]
        if not result.error_code:
            self.sequences[at] = options["base_sequence"] + len(values)
        return ErrorCode(result.error_code)

    def end(self, *, committed: bool = True, version: int = 5, epoch: int | None = None) -> ErrorCode:
        request = EndTxnRequest(
            transactional_id=self.name,
            producer_id=self.producer_id,
            producer_epoch=self.epoch if epoch is None else epoch,
            committed=committed,
        )
        response = self.served.call(request, version)
        if version >= 5 and not response.error_code:
            self.take(response)
        return ErrorCode(response.error_code)

    def add_offsets(self, group: str = "g", version: int = 3) -> ErrorCode:
        request = AddOffsetsToTxnRequest(
            transactional_id=self.name, producer_id=self.producer_id, producer_epoch=self.epoch, group_id=group
        )
        return ErrorCode(self.served.call(request, version).error_code)

    def commit_offset(self, offset: int, *, version: int = 5, partition: int = 0, **fields: Any) -> ErrorCode:
        request = TxnOffsetCommitRequest(
            transactional_id=self.name,
            producer_id=self.producer_id,
            producer_epoch=fields.pop("epoch", self.epoch),
            group_id=fields.pop("group", "g"),
            topics=[
                TxnOffsetCommitRequestTopic(
                    name=fields.pop("topic", "t"),
                    partitions=[
                        TxnOffsetCommitRequestPartition(
                            partition_index=partition, committed_offset=offset, committed_metadata=""
                        )
                    ],
                )
            ],
            **fields,
        )
        (topic,) = self.served.call(request, version).topics
        return ErrorCode(topic.partitions[0].error_code)


def fetch(served: Served, *, committed: bool, topic: str = "t") -> tuple[list[bytes | None], list[tuple[int, int]]]:
    """What a reader sees who drops what is aborted, as a consumer does, and the aborted transactions it was told."""
    wanted = FetchPartition(partition=0, current_leader_epoch=-1, fetch_offset=0, partition_max_bytes=1_000_000)
    request = FetchRequest(
        max_wait_ms=0,
        min_bytes=0,
        max_bytes=10_000_000,
        isolation_level=int(committed),
        topics=[FetchTopic(topic=topic, partitions=[wanted])],
        forgotten_topics_data=[],
    )
    (answer,) = served.call(request, 11).responses
    data = answer.partitions[0]
    aborted = [(entry.producer_id, entry.first_offset) for entry in data.aborted_transactions or []]
    values = [record.value for record in records(data.records)]
    return values, aborted


def run_due_timers(served: Served) -> None:
    """What the transaction coordinator is woken for by now."""

    async def wake() -> None:
        served.broker.services.transactions._runtime.run_due_timers()

    served.run(wake())
