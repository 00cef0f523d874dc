"""renew_delegation_token"""

from __future__ import annotations

from kwire.wire.schema import Bytes, Int16, Int32, Int64, message


@message(key=39, valid="0-2", flexible="2+")
class RenewDelegationTokenRequest:
    """RenewDelegationTokenRequest"""

    hmac: Bytes
    renew_period_ms: Int64


@message(key=39, valid="0-2", flexible="2+")
class RenewDelegationTokenResponse:
    """RenewDelegationTokenResponse"""

    error_code: Int16
    expiry_timestamp_ms: Int64
    throttle_time_ms: Int32
