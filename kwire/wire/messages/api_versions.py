"""What a broker can do."""

from __future__ import annotations

from kwire.wire.schema import Bool, Int16, Int32, Int64, String, message, struct, wire


@message(key=18, valid="0-4", flexible="3+")
class ApiVersionsRequest:
    """The first request of a connection; the client's name and version from v3 (KIP-511)."""

    client_software_name: String = wire("3+", default="", ignorable=True)
    client_software_version: String = wire("3+", default="", ignorable=True)


@struct
class ApiVersion:
    api_key: Int16
    min_version: Int16
    max_version: Int16


@struct
class SupportedFeatureKey:
    name: String
    min_version: Int16
    max_version: Int16


@struct
class FinalizedFeatureKey:
    name: String
    max_version_level: Int16
    min_version_level: Int16


@message(key=18, valid="0-4", flexible="3+")
class ApiVersionsResponse:
    """The version range of every API. From v3 also features as tagged fields (KIP-584); the header is v0 in all
    versions (KIP-511).
    """

    error_code: Int16
    api_keys: list[ApiVersion]
    throttle_time_ms: Int32 = wire("1+", default=0, ignorable=True)
    supported_features: list[SupportedFeatureKey] = wire("3+", tag=0, factory=list, ignorable=True)
    finalized_features_epoch: Int64 = wire("3+", tag=1, default=-1, ignorable=True)
    finalized_features: list[FinalizedFeatureKey] = wire("3+", tag=2, factory=list, ignorable=True)
    zk_migration_ready: Bool = wire("3+", tag=3, default=False, ignorable=True)
