"""InitProducerId: ids for idempotent producers, over blocks and restarts."""

from __future__ import annotations

from typing import Any

import pytest

from kwire.errors import ErrorCode
from kwire.wire.messages.init_producer_id import InitProducerIdRequest
from tests.api.served import Served
from tests.api.txn_client import TxnClient


@pytest.mark.parametrize("version", range(7))
def test_every_version_gives_a_new_id(served: Served, version: int) -> None:
    request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=60_000)
    ids = []
    for _ in range(1002):  # More than a block of 1000.
        response = served.call(request, version)
        assert (response.error_code, response.producer_epoch) == (ErrorCode.NONE, 0)
        ids.append(response.producer_id)
    assert ids == list(range(1002))


@pytest.mark.parametrize("version", range(7))
def test_a_transactional_id_goes_on_with_the_next_epoch(served: Served, version: int) -> None:
    client = TxnClient(served)
    assert (client.producer_id, client.epoch) == (0, 0)
    again = client.init(version)
    assert (again.error_code, again.producer_id, again.producer_epoch) == (ErrorCode.NONE, 0, 1)


@pytest.mark.parametrize(
    ("version", "fields", "code"),
    [
        (5, {"producer_id": 0, "producer_epoch": 7}, ErrorCode.PRODUCER_FENCED),
        (3, {"producer_id": 0, "producer_epoch": 7}, ErrorCode.INVALID_PRODUCER_EPOCH),
        (5, {"producer_id": 9, "producer_epoch": 0}, ErrorCode.PRODUCER_FENCED),
        (5, {"producer_id": 0, "producer_epoch": -1}, ErrorCode.INVALID_REQUEST),
        (5, {"producer_id": -1, "producer_epoch": 0}, ErrorCode.INVALID_REQUEST),
        (5, {"transaction_timeout_ms": 900_001}, ErrorCode.INVALID_TRANSACTION_TIMEOUT),
        (5, {"transaction_timeout_ms": 0}, ErrorCode.INVALID_TRANSACTION_TIMEOUT),
        (6, {"enable2_pc": True}, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
        (6, {"keep_prepared_txn": True}, ErrorCode.UNSUPPORTED_VERSION),
    ],
)
def test_bad_beginnings(served: Served, version: int, fields: dict[str, Any], code: ErrorCode) -> None:
    refused = TxnClient(served).init(version, **fields)
    assert (refused.error_code, refused.producer_id, refused.producer_epoch) == (code, -1, -1)


def test_ids_without_a_coordinator(served: Served) -> None:
    client = TxnClient(served, "x", begin=False)
    assert client.init().error_code == ErrorCode.NOT_COORDINATOR
    client.name = ""
    assert client.init().error_code == ErrorCode.INVALID_REQUEST


def test_the_longest_timeout_is_an_option() -> None:
    served = Served({"transaction.max.timeout.ms": "5000"})
    try:
        client = TxnClient(served, begin=False)
        assert client.init(transaction_timeout_ms=5001).error_code == ErrorCode.INVALID_TRANSACTION_TIMEOUT
    finally:
        served.close()
