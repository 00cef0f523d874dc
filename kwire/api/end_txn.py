"""EndTxn (key 26), versions 0-5: commit or abort (KIP-98).

v2 PRODUCER_FENCED (KIP-588); v4 TRANSACTION_ABORTABLE (KIP-890), which never comes up here; v5 raises the producer's
epoch and tells it (KIP-890). The markers of partitions that this broker leads are written before the answer, where
Apache Kafka answers first: whoever begins the next transaction at once does not meet CONCURRENT_TRANSACTIONS.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from kwire.api.context import RequestContext
from kwire.api.transaction_admission import fenced, then
from kwire.coord.answers import Answer
from kwire.errors import ErrorCode
from kwire.wire.messages.end_txn import EndTxnRequest, EndTxnResponse

FIRST_VERSION_WITH_FENCED = 2
FIRST_VERSION_WITH_EPOCH_BUMP = 5


def handle(
    request: EndTxnRequest, context: RequestContext
) -> Answer[EndTxnResponse] | Coroutine[None, None, EndTxnResponse]:
    """The producer's id and epoch for its next transaction, or why this one does not end so."""
    if context.services.producer_ids.is_ready:
        return _end(request, context)
    return _end_with_fresh_ids(request, context)


async def _end_with_fresh_ids(request: EndTxnRequest, context: RequestContext) -> EndTxnResponse:
    """The end may use the producer id up; then the next one has to be at hand."""
    await context.services.producer_ids.reserve()
    answer = _end(request, context)
    return await answer if isinstance(answer, asyncio.Future) else answer


def _end(request: EndTxnRequest, context: RequestContext) -> Answer[EndTxnResponse]:
    version = context.api_version

    def finish(response: EndTxnResponse) -> EndTxnResponse:
        if response.error_code:
            response.error_code = fenced(ErrorCode(response.error_code), version, FIRST_VERSION_WITH_FENCED)
        return response

    bumps_epoch = version >= FIRST_VERSION_WITH_EPOCH_BUMP
    return then(context.services.transactions.end(request, bumps_epoch=bumps_epoch), finish)
