"""ListTransactions (key 66), versions 0-2: the transactional ids that this broker coordinates (KIP-664).

v1 those of a certain age (KIP-994); v2 those whose id matches a pattern (KIP-1152), in RE2's syntax, as in Kafka.
"""

from __future__ import annotations

from collections.abc import Callable

from kwire.api.context import RequestContext
from kwire.coord.answers import Answer
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.list_transactions import ListTransactionsRequest, ListTransactionsResponse


def handle(request: ListTransactionsRequest, context: RequestContext) -> Answer[ListTransactionsResponse]:
    """INVALID_REGULAR_EXPRESSION; COORDINATOR_LOAD_IN_PROGRESS while one of the partitions is not loaded yet."""
    return context.services.transactions.list_transactions(request, _matcher(request.transactional_id_pattern))


def error_response(request: ListTransactionsRequest, code: ErrorCode, message: str | None) -> ListTransactionsResponse:
    """No transactions."""
    return ListTransactionsResponse(
        throttle_time_ms=0, error_code=code, unknown_state_filters=[], transaction_states=[]
    )


def _matcher(pattern: str | None) -> Callable[[str], bool]:
    if not pattern:
        return lambda transactional_id: True
    import re2  # Its matching takes linear time, whatever the pattern: the broker waits for it.

    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        raise KafkaError(ErrorCode.INVALID_REGULAR_EXPRESSION, str(error)) from error
    return lambda transactional_id: compiled.fullmatch(transactional_id) is not None
