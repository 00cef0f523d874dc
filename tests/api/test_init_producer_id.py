"""InitProducerId: ids for idempotent producers, over blocks and restarts."""

from __future__ import annotations

import pytest

from kwire.errors import ErrorCode
from kwire.wire.messages.init_producer_id import InitProducerIdRequest
from tests.api.served import Served


@pytest.mark.parametrize("version", range(6))
def test_every_version_gives_a_new_id(served: Served, version: int) -> None:
    request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=60_000)
    ids = []
    for _ in range(1002):  # More than a block of 1000.
        response = served.call(request, version)
        assert (response.error_code, response.producer_epoch) == (ErrorCode.NONE, 0)
        ids.append(response.producer_id)
    assert ids == list(range(1002))


@pytest.mark.parametrize(
    ("transactional_id", "code"),
    [("", ErrorCode.INVALID_REQUEST), ("x", ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)],
)
def test_transactional_ids_have_no_coordinator(served: Served, transactional_id: str, code: ErrorCode) -> None:
    request = InitProducerIdRequest(transactional_id=transactional_id, transaction_timeout_ms=60_000)
    response = served.call(request, 5)
    assert (response.error_code, response.producer_id, response.producer_epoch) == (code, -1, -1)
