"""InitProducerId (key 22), versions 0-6: an id for an idempotent or transactional producer (KIP-98).

v3 goes on from an id and epoch after an error (KIP-360); v4 PRODUCER_FENCED (KIP-588); v5 TRANSACTION_ABORTABLE
(KIP-890), which never comes up here; v6 two-phase commit (KIP-939), where `transaction.two.phase.commit.enable` allows
it: a transaction without a time-out. Apache Kafka 4.3 has v6 but does not advertise it.

Left out: keeping a prepared transaction (v6), which is UNSUPPORTED_VERSION, as in Apache Kafka 4.3. That answers
COORDINATOR_LOAD_IN_PROGRESS while the first block of ids is fetched, and CONCURRENT_TRANSACTIONS after it aborted what
the last producer left open; the answer here waits for either.
"""

from __future__ import annotations

from kwire.api.context import RequestContext
from kwire.api.transaction_admission import fenced
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse

FIRST_VERSION_WITH_FENCED = 4


async def handle(request: InitProducerIdRequest, context: RequestContext) -> InitProducerIdResponse:
    """Without a transactional id a producer id that nobody had before, with epoch 0; else the id's next epoch."""
    if (request.producer_id < 0) != (request.producer_epoch < 0):
        raise KafkaError(ErrorCode.INVALID_REQUEST)
    if request.transactional_id is not None:
        response = await context.services.transactions.init_producer_id(request)
        response.error_code = fenced(ErrorCode(response.error_code), context.api_version, FIRST_VERSION_WITH_FENCED)
        return response
    producer_id = await context.services.producer_ids.next_id()
    return InitProducerIdResponse(
        error_code=ErrorCode.NONE, producer_id=producer_id, producer_epoch=0, throttle_time_ms=0
    )


def error_response(request: InitProducerIdRequest, code: ErrorCode, message: str | None) -> InitProducerIdResponse:
    """No id, epoch -1."""
    return InitProducerIdResponse(error_code=code, producer_id=-1, producer_epoch=-1, throttle_time_ms=0)
