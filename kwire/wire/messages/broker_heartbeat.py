"""KRaft: a broker's sign of life."""

from __future__ import annotations

from kwire.wire.schema import Bool, Int16, Int32, Int64, Uuid, message, wire


@message(key=63, valid="0-2", flexible="0+")
class BrokerHeartbeatRequest:
    """How far the broker has read the metadata log, and what it wants (KIP-631). Offline directories from v1
    (KIP-858), cordoned ones from v2.
    """

    broker_id: Int32
    broker_epoch: Int64 = wire(default=-1)
    current_metadata_offset: Int64
    want_fence: Bool
    want_shut_down: Bool
    offline_log_dirs: list[Uuid] = wire("1+", tag=0, factory=list)
    cordoned_log_dirs: list[Uuid] | None = wire("2+", tag=1, default=None)


@message(key=63, valid="0-2", flexible="0+")
class BrokerHeartbeatResponse:
    """Whether the broker is fenced, caught up, and may stop."""

    throttle_time_ms: Int32
    error_code: Int16
    is_caught_up: Bool = wire(default=False)
    is_fenced: Bool = wire(default=True)
    should_shut_down: Bool
