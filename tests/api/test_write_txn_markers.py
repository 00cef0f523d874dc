"""WriteTxnMarkers: ends by another coordinator's hand, or an operator's."""

from __future__ import annotations

import pytest

from kwire.errors import ErrorCode
from kwire.wire.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
)
from tests.api.served import Served
from tests.api.txn_client import TxnClient, fetch


def write(served: Served, client: TxnClient, version: int = 1, **fields: object) -> list[int]:
    marker = {
        "producer_id": client.producer_id,
        "producer_epoch": client.epoch,
        "transaction_result": False,
        "topics": [WritableTxnMarkerTopic(name="t", partition_indexes=[0, 9])],
        "coordinator_epoch": 3,
        **fields,
    }
    (result,) = served.call(WriteTxnMarkersRequest(markers=[WritableTxnMarker(**marker)]), version).markers
    return [partition.error_code for partition in result.topics[0].partitions]


@pytest.mark.parametrize("version", range(3))
def test_a_hanging_transaction_is_ended(served: Served, version: int) -> None:
    served.create_topic("t")
    client = TxnClient(served)
    assert client.produce(b"a") == ErrorCode.NONE
    assert write(served, client, version) == [ErrorCode.NONE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
    assert fetch(served, committed=True)[1] == [(client.producer_id, 0)]
    assert write(served, client, version, coordinator_epoch=2)[0] == ErrorCode.TRANSACTION_COORDINATOR_FENCED
    assert write(served, client, version, producer_epoch=-1)[0] == ErrorCode.INVALID_PRODUCER_EPOCH


def test_under_version_2_a_marker_comes_once(served: Served) -> None:
    served.create_topic("t")
    client = TxnClient(served)
    assert client.produce(b"a") == ErrorCode.NONE
    assert write(served, client, 2, transaction_version=2)[0] == ErrorCode.INVALID_PRODUCER_EPOCH
    assert write(served, client, 2, transaction_version=2, producer_epoch=1)[0] == ErrorCode.NONE
    end = served.log("t").log_end_offset
    assert write(served, client, 2, transaction_version=2, producer_epoch=1)[0] == ErrorCode.INVALID_PRODUCER_EPOCH
    assert served.log("t").log_end_offset == end
