"""IncrementalAlterConfigs (key 44), versions 0-1: set, delete, append or subtract single settings (KIP-339).

A change of a topic, of this broker or of a group is in force when the answer is sent. Left out: loggers (resource type
8) and client metrics.
"""

from __future__ import annotations

from kwire.api.config_resources import alter
from kwire.api.context import RequestContext
from kwire.cluster.controller.config_alteration import OptionAlteration
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.incremental_alter_configs import (
    AlterConfigsResourceResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)


async def handle(request: IncrementalAlterConfigsRequest, context: RequestContext) -> IncrementalAlterConfigsResponse:
    """One result per resource, in order."""
    asked = [
        (
            resource.resource_type,
            resource.resource_name,
            [OptionAlteration(config.name, config.config_operation, config.value) for config in resource.configs],
        )
        for resource in request.resources
    ]
    errors = await alter(asked, context, replace=False, validate_only=request.validate_only)
    return _response(request, errors)


def error_response(
    request: IncrementalAlterConfigsRequest, code: ErrorCode, message: str | None
) -> IncrementalAlterConfigsResponse:
    """The error for each resource."""
    return _response(request, [KafkaError(code, message)] * len(request.resources))


def _response(
    request: IncrementalAlterConfigsRequest, errors: list[KafkaError] | list[KafkaError | None]
) -> IncrementalAlterConfigsResponse:
    return IncrementalAlterConfigsResponse(
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
