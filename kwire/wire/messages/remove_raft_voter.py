"""remove_raft_voter"""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, String, Uuid, message


@message(key=81, valid="0", flexible="0+")
class RemoveRaftVoterRequest:
    """RemoveRaftVoterRequest"""

    cluster_id: String | None
    voter_id: Int32
    voter_directory_id: Uuid


@message(key=81, valid="0", flexible="0+")
class RemoveRaftVoterResponse:
    """RemoveRaftVoterResponse"""

    throttle_time_ms: Int32
    error_code: Int16
    error_message: String | None
