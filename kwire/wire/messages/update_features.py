"""Changing the cluster's feature levels."""

from __future__ import annotations

from kwire.wire.schema import Bool, Int8, Int16, Int32, String, message, struct, wire


@struct
class FeatureUpdateKey:
    feature: String
    max_version_level: Int16
    allow_downgrade: Bool = wire("0", default=False)
    upgrade_type: Int8 = wire("1+", default=1)


@message(key=57, valid="0-2", flexible="0+")
class UpdateFeaturesRequest:
    """Levels to set (KIP-584). Downgrade kinds and dry runs from v1 (KIP-778)."""

    timeout_ms: Int32 = wire(default=60000)
    feature_updates: list[FeatureUpdateKey]
    validate_only: Bool = wire("1+", default=False)


@struct
class UpdatableFeatureResult:
    feature: String
    error_code: Int16
    error_message: String | None


@message(key=57, valid="0-2", flexible="0+")
class UpdateFeaturesResponse:
    """An error for the request and, up to v1, for each feature."""

    throttle_time_ms: Int32
    error_code: Int16
    error_message: String | None
    results: list[UpdatableFeatureResult] = wire("0-1", factory=list, ignorable=True)
