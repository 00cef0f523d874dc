"""KRaft: adding a voter."""

from __future__ import annotations

from kwire.wire.schema import Bool, Int16, Int32, String, UInt16, Uuid, message, struct, wire


@struct
class Listener:
    name: String
    host: String
    port: UInt16


@message(key=80, valid="0-1", flexible="0+")
class AddRaftVoterRequest:
    """The voter and its endpoints (KIP-853). Whether to wait for the commit from v1."""

    cluster_id: String | None
    timeout_ms: Int32
    voter_id: Int32
    voter_directory_id: Uuid
    listeners: list[Listener]
    ack_when_committed: Bool = wire("1+", default=True)


@message(key=80, valid="0-1", flexible="0+")
class AddRaftVoterResponse:
    """Whether it was added."""

    throttle_time_ms: Int32
    error_code: Int16
    error_message: String | None
