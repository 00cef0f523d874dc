"""The transaction coordinator marking the end of transactions in partitions."""

from __future__ import annotations

from kwire.wire.schema import Bool, Int8, Int16, Int32, Int64, String, message, struct, wire


@struct
class WritableTxnMarkerTopic:
    name: String
    partition_indexes: list[Int32]


@struct
class WritableTxnMarker:
    producer_id: Int64
    producer_epoch: Int16
    transaction_result: Bool
    topics: list[WritableTxnMarkerTopic]
    coordinator_epoch: Int32
    transaction_version: Int8 = wire("2+", default=0, ignorable=True)


@message(key=27, valid="0-2", flexible="1+")
class WriteTxnMarkersRequest:
    """Markers to append, by producer. The transaction version from v2 (KIP-1228)."""

    markers: list[WritableTxnMarker]


@struct
class WritableTxnMarkerPartitionResult:
    partition_index: Int32
    error_code: Int16


@struct
class WritableTxnMarkerTopicResult:
    name: String
    partitions: list[WritableTxnMarkerPartitionResult]


@struct
class WritableTxnMarkerResult:
    producer_id: Int64
    topics: list[WritableTxnMarkerTopicResult]


@message(key=27, valid="0-2", flexible="1+")
class WriteTxnMarkersResponse:
    """An error per marker and partition."""

    markers: list[WritableTxnMarkerResult]
