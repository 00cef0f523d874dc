"""Keys and values of control batches: transaction markers and KRaft's own records."""

from __future__ import annotations

from kwire.ids import ZERO_UUID
from kwire.wire.schema import Int16, Int32, Int64, String, UInt16, Uuid, message, struct, wire


@message(valid="0", prefix="version")
class ControlRecordTypeSchema:
    """The key of a control record: its type."""

    type: Int16


@message(valid="0", prefix="version")
class EndTxnMarker:
    """The body of a commit or abort marker (KIP-98); which one it is stands in the record's key."""

    coordinator_epoch: Int32


@message(valid="0", flexible="0+")
class KRaftVersionRecord:
    """KRaft: the level of the feature kraft.version (KIP-853)."""

    version: Int16
    kraft_version: Int16 = wire(name="kRaftVersion")


@struct
class Voter:
    voter_id: Int32
    voter_directory_id: Uuid = wire("1+", default=ZERO_UUID)


@message(valid="0-1", flexible="0+")
class LeaderChangeMessage:
    """KRaft: the first record of a leader's epoch (KIP-595)."""

    version: Int16
    leader_id: Int32
    voters: list[Voter]
    granting_voters: list[Voter]


@message(valid="0", flexible="0+")
class SnapshotFooterRecord:
    """KRaft: the last record of a snapshot (KIP-630)."""

    version: Int16


@message(valid="0", flexible="0+")
class SnapshotHeaderRecord:
    """KRaft: the first record of a snapshot (KIP-630)."""

    version: Int16
    last_contained_log_timestamp: Int64


@struct
class Endpoint:
    name: String
    host: String
    port: UInt16


@struct
class KRaftVersionFeature:
    min_supported_version: Int16
    max_supported_version: Int16


@struct
class VotersRecordVoter:
    voter_id: Int32
    voter_directory_id: Uuid
    endpoints: list[Endpoint]
    kraft_version_feature: KRaftVersionFeature = wire(name="kRaftVersionFeature")


@message(valid="0", flexible="0+")
class VotersRecord:
    """KRaft: the set of voters (KIP-853)."""

    version: Int16
    voters: list[VotersRecordVoter]
