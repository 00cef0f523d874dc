"""Renewing a delegation token."""

from __future__ import annotations

from kwire.wire.schema import Bytes, Int16, Int32, Int64, message


@message(key=39, valid="0-2", flexible="2+")
class RenewDelegationTokenRequest:
    """The token's HMAC and the time to add (KIP-48)."""

    hmac: Bytes
    renew_period_ms: Int64


@message(key=39, valid="0-2", flexible="2+")
class RenewDelegationTokenResponse:
    """The new expiry time."""

    error_code: Int16
    expiry_timestamp_ms: Int64
    throttle_time_ms: Int32
