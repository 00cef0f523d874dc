"""DeleteTopics (key 20), versions 0-6: by name, from v6 also by topic id (KIP-516).

v5 has error messages (KIP-599). When the answer is sent the topic is gone; its files follow after
`file.delete.delay.ms`.
"""

from __future__ import annotations

from kwire.api.context import RequestContext
from kwire.cluster.metadata_cache import MetadataCache
from kwire.errors import ErrorCode, KafkaError
from kwire.ids import ZERO_UUID
from kwire.wire.messages.delete_topics import (
    DeletableTopicResult,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DeleteTopicState,
)

FIRST_VERSION_BY_TOPIC_ID = 6
FIRST_VERSION_WITH_DELETION_DISABLED = 3


async def handle(request: DeleteTopicsRequest, context: RequestContext) -> DeleteTopicsResponse:
    """One result per distinct topic, in the order of the request."""
    services = context.services
    if not services.config.get("delete.topic.enable"):
        newer = context.api_version >= FIRST_VERSION_WITH_DELETION_DISABLED
        code = ErrorCode.TOPIC_DELETION_DISABLED if newer else ErrorCode.INVALID_REQUEST
        raise KafkaError(code, "The broker does not delete topics (delete.topic.enable).")
    answers = _asked(request, context)
    _resolve(answers, services.metadata)
    doomed = {
        answer.name: answer for answer in answers if answer.error_code == ErrorCode.NONE and answer.name is not None
    }
    # When it is our turn, the name that an id has now may be another topic's.
    ids = {name: answer.topic_id for name, answer in doomed.items() if answer.topic_id != ZERO_UUID}
    for result in await services.controller.delete_topics(list(doomed), ids):
        answer = doomed[result.name]
        if result.error is not None:
            _refuse(answer, result.error.code, result.error.message)
            if result.error.code is ErrorCode.UNKNOWN_TOPIC_ID:
                answer.name = None
        elif result.topic is not None:
            answer.topic_id = result.topic.topic_id
    return DeleteTopicsResponse(throttle_time_ms=0, responses=answers)


def error_response(request: DeleteTopicsRequest, code: ErrorCode, message: str | None) -> DeleteTopicsResponse:
    """The error for each topic."""
    topics = request.topics or [DeleteTopicState(name=name, topic_id=ZERO_UUID) for name in request.topic_names]
    responses = [
        DeletableTopicResult(name=topic.name, topic_id=topic.topic_id, error_code=code, error_message=message)
        for topic in topics
    ]
    return DeleteTopicsResponse(throttle_time_ms=0, responses=responses)


def _asked(request: DeleteTopicsRequest, context: RequestContext) -> list[DeletableTopicResult]:
    """One answer per distinct name and id, those refused that say both, neither, or the same twice."""
    if context.api_version < FIRST_VERSION_BY_TOPIC_ID:
        topics = [DeleteTopicState(name=name, topic_id=ZERO_UUID) for name in request.topic_names]
    else:
        topics = request.topics
    answers: dict[tuple[str | None, bytes], DeletableTopicResult] = {}
    for topic in topics:
        key = (topic.name, topic.topic_id)
        if key in answers:
            _refuse(answers[key], ErrorCode.INVALID_REQUEST, "The topic is named twice in the request.")
            continue
        answer = answers[key] = DeletableTopicResult(
            name=topic.name, topic_id=topic.topic_id, error_code=ErrorCode.NONE, error_message=None
        )
        if topic.name is not None and topic.topic_id != ZERO_UUID:
            _refuse(answer, ErrorCode.INVALID_REQUEST, "A topic is named by its name or its id, not by both.")
        elif topic.name is None and topic.topic_id == ZERO_UUID:
            _refuse(answer, ErrorCode.INVALID_REQUEST, "A topic must be named by its name or its id.")
    return list(answers.values())


def _resolve(answers: list[DeletableTopicResult], cache: MetadataCache) -> None:
    """Names for ids. The same topic by name and by id is refused, as by Apache Kafka 4."""
    by_name = {answer.name: answer for answer in answers if answer.name is not None}
    for answer in answers:
        if answer.error_code != ErrorCode.NONE or answer.name is not None:
            continue
        name = cache.topic_names.get(answer.topic_id)
        if name is None:
            _refuse(answer, ErrorCode.UNKNOWN_TOPIC_ID, "There is no topic of this id.")
        elif name in by_name:
            for same in (answer, by_name[name]):
                _refuse(same, ErrorCode.INVALID_REQUEST, "The topic is named twice in the request, by name and by id.")
        else:
            answer.name = name


def _refuse(answer: DeletableTopicResult, code: ErrorCode, message: str | None) -> None:
    answer.error_code = code
    answer.error_message = message
