"""DescribeProducers: who writes to a partition, and since when a transaction is open."""

from __future__ import annotations

from kwire.errors import ErrorCode
from kwire.wire.messages.describe_producers import DescribeProducersRequest, TopicRequest
from tests.api.served import Served
from tests.api.txn_client import TxnClient


def test_describe(served: Served) -> None:
    served.create_topic("t")
    client = TxnClient(served)
    client.produce(b"a", b"b")
    request = DescribeProducersRequest(
        topics=[
            TopicRequest(name="t", partition_indexes=[0, 4]),
            TopicRequest(name="nowhere", partition_indexes=[0]),
        ]
    )
    there, nowhere = served.call(request, 0).topics
    assert nowhere.partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert there.partitions[1].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    (producer,) = there.partitions[0].active_producers
    assert (producer.producer_id, producer.producer_epoch, producer.last_sequence) == (0, 0, 1)
    assert (producer.coordinator_epoch, producer.current_txn_start_offset) == (-1, 0)
    client.end()
    there, _ = served.call(request, 0).topics
    (producer,) = there.partitions[0].active_producers
    assert (producer.producer_epoch, producer.last_sequence, producer.coordinator_epoch) == (1, -1, 0)
    assert producer.current_txn_start_offset == -1
