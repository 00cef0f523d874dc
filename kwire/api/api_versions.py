"""ApiVersions (key 18), versions 0-4.

What this broker serves (KIP-35); v3 names the client's software (KIP-511) and the cluster's features (KIP-584), which
are at Apache Kafka 4.3's levels from the start and stay there. v4 may tell that a feature's lowest level is 0
(KIP-1022); v3 leaves such features out of the supported ones, because its clients reject the number.
A version newer than 4 is answered in version 0 by the dispatcher, with this API's own range.
"""

from __future__ import annotations

import re

from kwire.api.context import RequestContext
from kwire.api.table import API_BY_KEY, APIS
from kwire.errors import ErrorCode
from kwire.wire.messages.api_versions import (
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
    FinalizedFeatureKey,
    SupportedFeatureKey,
)

FIRST_VERSION_WITH_SOFTWARE = 3
FIRST_VERSION_WITH_LEVEL_0 = 4

FEATURES = {"group.version": 1, "share.version": 1, "streams.version": 1, "transaction.version": 2}
"""The cluster's features that clients look for, each at its level; every one can also be off, which is level 0."""

SOFTWARE_PATTERN = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")
"""KIP-511's form of a client software name and version."""

_SERVED = [ApiVersion(api_key=api.key, min_version=api.first, max_version=api.last) for api in APIS]
_SUPPORTED = [SupportedFeatureKey(name=name, min_version=0, max_version=level) for name, level in FEATURES.items()]
_FINALIZED = [
    FinalizedFeatureKey(name=name, max_version_level=level, min_version_level=level) for name, level in FEATURES.items()
]


def handle(request: ApiVersionsRequest, context: RequestContext) -> ApiVersionsResponse:
    """The table; INVALID_REQUEST for a software name or version of another form."""
    if context.api_version >= FIRST_VERSION_WITH_SOFTWARE:
        name, version = request.client_software_name, request.client_software_version
        if not SOFTWARE_PATTERN.fullmatch(name) or not SOFTWARE_PATTERN.fullmatch(version):
            return ApiVersionsResponse(error_code=ErrorCode.INVALID_REQUEST, api_keys=[], throttle_time_ms=0)
        context.connection.state["client_software"] = (name, version)
    return ApiVersionsResponse(
        error_code=ErrorCode.NONE,
        api_keys=_SERVED,
        throttle_time_ms=0,
        supported_features=_SUPPORTED if context.api_version >= FIRST_VERSION_WITH_LEVEL_0 else [],
        finalized_features_epoch=0,
        finalized_features=_FINALIZED,
    )


def unsupported_version_response() -> ApiVersionsResponse:
    """The answer to a version that is not served: error 35 and this API's range, in the body of version 0."""
    own = API_BY_KEY[18]
    return ApiVersionsResponse(
        error_code=ErrorCode.UNSUPPORTED_VERSION,
        api_keys=[ApiVersion(api_key=own.key, min_version=own.first, max_version=own.last)],
        throttle_time_ms=0,
    )
