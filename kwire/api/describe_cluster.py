"""DescribeCluster (key 60), versions 0-2: the brokers of the cluster (KIP-700).

v1 asks for brokers or KRaft controllers (KIP-919; there are none of the latter here); v2 may include fenced brokers
(KIP-1073; a broker that is not alive has no registration here, so none is ever fenced).
"""

from __future__ import annotations

from kwire.api.context import RequestContext
from kwire.api.endpoints import endpoint_for
from kwire.api.metadata import ALL_CLUSTER_OPERATIONS, OPERATIONS_NOT_ASKED
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.describe_cluster import (
    DescribeClusterBroker,
    DescribeClusterRequest,
    DescribeClusterResponse,
)

BROKERS = 1
CONTROLLERS = 2


def handle(request: DescribeClusterRequest, context: RequestContext) -> DescribeClusterResponse:
    """The live brokers that serve the client's listener."""
    if request.endpoint_type == CONTROLLERS:
        raise KafkaError(ErrorCode.MISMATCHED_ENDPOINT_TYPE, "This is a broker; it cannot describe KRaft controllers.")
    if request.endpoint_type != BROKERS:
        raise KafkaError(ErrorCode.UNSUPPORTED_ENDPOINT_TYPE, f"Unknown endpoint type {request.endpoint_type}.")
    cache = context.services.metadata
    brokers = []
    for broker in cache.brokers.values():
        endpoint = endpoint_for(broker, context)
        if endpoint is not None:
            host, port = endpoint
            brokers.append(DescribeClusterBroker(broker_id=broker.id, host=host, port=port, rack=broker.rack))
    asked = request.include_cluster_authorized_operations
    return DescribeClusterResponse(
        throttle_time_ms=0,
        error_code=ErrorCode.NONE,
        cluster_id=cache.cluster_id,
        controller_id=cache.controller_id,
        brokers=brokers,
        cluster_authorized_operations=ALL_CLUSTER_OPERATIONS if asked else OPERATIONS_NOT_ASKED,
    )


def error_response(request: DescribeClusterRequest, code: ErrorCode, message: str | None) -> DescribeClusterResponse:
    """No brokers; the endpoint type is given back as it was asked."""
    return DescribeClusterResponse(
        throttle_time_ms=0,
        error_code=code,
        error_message=message,
        endpoint_type=request.endpoint_type,
        cluster_id="",
        brokers=[],
    )
