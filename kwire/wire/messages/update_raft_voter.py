"""KRaft: a voter changing its endpoints or versions."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, String, UInt16, Uuid, message, struct, wire


@struct
class Listener:
    name: String
    host: String
    port: UInt16


@struct
class KRaftVersionFeature:
    min_supported_version: Int16
    max_supported_version: Int16


@message(key=82, valid="0", flexible="0+")
class UpdateRaftVoterRequest:
    """The voter's new data (KIP-853)."""

    cluster_id: String | None
    current_leader_epoch: Int32
    voter_id: Int32
    voter_directory_id: Uuid
    listeners: list[Listener]
    kraft_version_feature: KRaftVersionFeature = wire(name="kRaftVersionFeature")


@struct
class CurrentLeader:
    leader_id: Int32 = wire(default=-1)
    leader_epoch: Int32 = wire(default=-1)
    host: String
    port: Int32


@message(key=82, valid="0", flexible="0+")
class UpdateRaftVoterResponse:
    """Whether it was taken, and the leader that the receiver knows."""

    throttle_time_ms: Int32
    error_code: Int16
    current_leader: CurrentLeader = wire(tag=0, factory=CurrentLeader)
