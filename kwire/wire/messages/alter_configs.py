"""Replacing the options of topics and brokers."""

from __future__ import annotations

from kwire.wire.schema import Bool, Int8, Int16, Int32, String, message, struct


@struct
class AlterableConfig:
    name: String
    value: String | None


@struct
class AlterConfigsResource:
    resource_type: Int8
    resource_name: String
    configs: list[AlterableConfig]


@message(key=33, valid="0-2", flexible="2+")
class AlterConfigsRequest:
    """The complete set of overrides of each resource."""

    resources: list[AlterConfigsResource]
    validate_only: Bool


@struct
class AlterConfigsResourceResponse:
    error_code: Int16
    error_message: String | None
    resource_type: Int8
    resource_name: String


@message(key=33, valid="0-2", flexible="2+")
class AlterConfigsResponse:
    """An error per resource."""

    throttle_time_ms: Int32
    responses: list[AlterConfigsResourceResponse]
