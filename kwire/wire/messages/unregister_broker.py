"""KRaft: removing a broker's registration."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, String, message


@message(key=64, valid="0", flexible="0+")
class UnregisterBrokerRequest:
    """The broker to forget (KIP-631)."""

    broker_id: Int32


@message(key=64, valid="0", flexible="0+")
class UnregisterBrokerResponse:
    """Whether it was forgotten."""

    throttle_time_ms: Int32
    error_code: Int16
    error_message: String | None
