"""AlterConfigs (key 33), versions 0-2: the whole set of a resource's own settings at once (KIP-133).

What is not named goes back to its default; IncrementalAlterConfigs is the safer way. Topics, brokers and groups only.
"""

from __future__ import annotations

from kwire.api.config_resources import alter
from kwire.api.context import RequestContext
from kwire.cluster.controller.config_alteration import AlterOperation, OptionAlteration
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.alter_configs import AlterConfigsRequest, AlterConfigsResourceResponse, AlterConfigsResponse


async def handle(request: AlterConfigsRequest, context: RequestContext) -> AlterConfigsResponse:
    """One result per resource, in order."""
    asked = [
        (
            resource.resource_type,
            resource.resource_name,
            [OptionAlteration(config.name, AlterOperation.SET, config.value) for config in resource.configs],
        )
        for resource in request.resources
    ]
    errors = await alter(asked, context, replace=True, validate_only=request.validate_only)
    return _response(request, errors)


def error_response(request: AlterConfigsRequest, code: ErrorCode, message: str | None) -> AlterConfigsResponse:
    """The error for each resource."""
    return _response(request, [KafkaError(code, message)] * len(request.resources))


def _response(request: AlterConfigsRequest, errors: list[KafkaError] | list[KafkaError | None]) -> AlterConfigsResponse:
    return AlterConfigsResponse(
        throttle_time_ms=0,
        responses=[
            AlterConfigsResourceResponse(
                error_code=ErrorCode.NONE if error is None else error.code,
                error_message=None if error is None else error.message,
                resource_type=resource.resource_type,
                resource_name=resource.resource_name,
            )
            for resource, error in zip(request.resources, errors, strict=True)
        ],
    )
