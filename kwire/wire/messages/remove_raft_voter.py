"""KRaft: removing a voter."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, String, Uuid, message


@message(key=81, valid="0", flexible="0+")
class RemoveRaftVoterRequest:
    """The voter to remove (KIP-853)."""

    cluster_id: String | None
    voter_id: Int32
    voter_directory_id: Uuid


@message(key=81, valid="0", flexible="0+")
class RemoveRaftVoterResponse:
    """Whether it was removed."""

    throttle_time_ms: Int32
    error_code: Int16
    error_message: String | None
