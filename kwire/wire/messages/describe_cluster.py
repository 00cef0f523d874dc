"""Describing the brokers of the cluster."""

from __future__ import annotations

from kwire.wire.schema import Bool, Int8, Int16, Int32, String, message, struct, wire


@message(key=60, valid="0-2", flexible="0+")
class DescribeClusterRequest:
    """What to describe (KIP-700): brokers, or controllers from v1 (KIP-919); fenced brokers from v2 (KIP-1073)."""

    include_cluster_authorized_operations: Bool
    endpoint_type: Int8 = wire("1+", default=1)
    include_fenced_brokers: Bool = wire("2+", default=False)


@struct
class DescribeClusterBroker:
    broker_id: Int32
    host: String
    port: Int32
    rack: String | None = wire(default=None)
    is_fenced: Bool = wire("2+", default=False)


@message(key=60, valid="0-2", flexible="0+")
class DescribeClusterResponse:
    """Cluster id, controller and brokers."""

    throttle_time_ms: Int32
    error_code: Int16
    error_message: String | None = wire(default=None)
    endpoint_type: Int8 = wire("1+", default=1)
    cluster_id: String
    controller_id: Int32 = wire(default=-1)
    brokers: list[DescribeClusterBroker]
    cluster_authorized_operations: Int32 = wire(default=-2147483648)
