"""InitProducerId (key 22), versions 0-5: an id for an idempotent producer (KIP-98); v3 goes on from an epoch (KIP-360).

Left out: transactional ids. There is no transaction coordinator yet: they are answered with
TRANSACTIONAL_ID_AUTHORIZATION_FAILED, at which clients give up at once, and the transaction APIs are not advertised.
Apache Kafka answers COORDINATOR_LOAD_IN_PROGRESS while the first block of ids is fetched; the answer here waits for it.
"""

from __future__ import annotations

from kwire.api.context import RequestContext
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse


async def handle(request: InitProducerIdRequest, context: RequestContext) -> InitProducerIdResponse:
    """A producer id that nobody had before, with epoch 0."""
    if request.transactional_id is not None:
        if not request.transactional_id:
            raise KafkaError(ErrorCode.INVALID_REQUEST)
        raise KafkaError(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    producer_id = await context.services.producer_ids.next_id()
    return InitProducerIdResponse(
        error_code=ErrorCode.NONE, producer_id=producer_id, producer_epoch=0, throttle_time_ms=0
    )


def error_response(request: InitProducerIdRequest, code: ErrorCode, message: str | None) -> InitProducerIdResponse:
    """No id, epoch -1."""
    return InitProducerIdResponse(error_code=code, producer_id=-1, producer_epoch=-1, throttle_time_ms=0)
