"""WriteTxnMarkers (key 27), versions 0-2: the end of transactions, written into their partitions (KIP-98).

Transaction coordinators of other brokers ask for it, and operators who end a transaction that hangs (KIP-664); v2 tells
the transaction version, under which a marker that comes twice or late is refused (KIP-1228).
"""

from __future__ import annotations

from kwire.api.context import RequestContext
from kwire.coord.txn.markers import MarkerOrder
from kwire.ids import TopicPartition
from kwire.wire.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerPartitionResult,
    WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult,
    WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
)


def handle(request: WriteTxnMarkersRequest, context: RequestContext) -> WriteTxnMarkersResponse:
    """A code per partition: see `MarkerWriter`."""
    return WriteTxnMarkersResponse(markers=[_write(marker, context) for marker in request.markers])


def _write(marker: WritableTxnMarker, context: RequestContext) -> WritableTxnMarkerResult:
    topics = []
    for topic in marker.topics:
        order = MarkerOrder(
            "",
            marker.producer_id,
            marker.producer_epoch,
            marker.transaction_result,
            marker.transaction_version,
            tuple(TopicPartition(topic.name, index) for index in topic.partition_indexes),
        )
        outcomes = context.services.transactions.write_markers(order, marker.coordinator_epoch)
        results = [
            WritableTxnMarkerPartitionResult(partition_index=index, error_code=code)
            for index, code in zip(topic.partition_indexes, outcomes, strict=True)
        ]
        topics.append(WritableTxnMarkerTopicResult(name=topic.name, partitions=results))
    return WritableTxnMarkerResult(producer_id=marker.producer_id, topics=topics)
