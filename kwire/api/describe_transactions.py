"""DescribeTransactions (key 65), version 0: state, producer and partitions of transactional ids (KIP-664)."""

from __future__ import annotations

from kwire.api.context import RequestContext
from kwire.coord.answers import Answer, when_all
from kwire.coord.txn.inspection import not_described
from kwire.errors import ErrorCode
from kwire.wire.messages.describe_transactions import DescribeTransactionsRequest, DescribeTransactionsResponse


def handle(request: DescribeTransactionsRequest, context: RequestContext) -> Answer[DescribeTransactionsResponse]:
    """One entry per id; NOT_COORDINATOR for those of other brokers, TRANSACTIONAL_ID_NOT_FOUND."""
    described = context.services.transactions.describe(request.transactional_ids)
    return when_all(
        [described],
        lambda parts: DescribeTransactionsResponse(throttle_time_ms=0, transaction_states=parts[0]),
    )


def error_response(
    request: DescribeTransactionsRequest, code: ErrorCode, message: str | None
) -> DescribeTransactionsResponse:
    """Every id answered with `code`."""
    states = [not_described(transactional_id, code) for transactional_id in request.transactional_ids]
    return DescribeTransactionsResponse(throttle_time_ms=0, transaction_states=states)
