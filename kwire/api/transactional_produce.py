"""The transactional side of Produce: which of its partitions the producer may not write to, before anything is written.

Source: KIP-890, apache/kafka `ReplicaManager.handleProduceAppend`.
"""

from __future__ import annotations

from kwire.api.context import RequestContext
from kwire.api.transaction_admission import Verdicts, admit, takes_part, then
from kwire.coord.answers import Answer
from kwire.coord.txn.beginning import ProducerIdentity
from kwire.errors import ErrorCode
from kwire.ids import TopicPartition
from kwire.replica.partition import Partition
from kwire.wire.messages.produce import ProduceRequest
from kwire.wire.record_batch import HEADER, MAGIC_OFFSET, RECORD_BATCH_OVERHEAD, BatchHeader

FIRST_VERSION_WITH_ABORTABLE = 11
FIRST_VERSION_THAT_ADDS = 12
FIRST_VERSION_WITH_TOPIC_IDS = 13


def admission(request: ProduceRequest, context: RequestContext) -> Answer[Verdicts]:
    """Why the partitions that are refused are; others are not in it or NONE.

    INVALID_PRODUCER_ID_MAPPING for batches of several producers, and for an id that the coordinator does not know;
    INVALID_TXN_STATE, or TRANSACTION_ABORTABLE since v11, for partitions that were not added; INVALID_PRODUCER_EPOCH
    for a fenced producer; OUT_OF_ORDER_SEQUENCE_NUMBER since v12 for a first batch that has lost its beginning.
    """
    version = context.api_version
    adds = version >= FIRST_VERSION_THAT_ADDS
    first_writes: list[TopicPartition] = []
    headless: list[TopicPartition] = []
    producers: set[ProducerIdentity] = set()
    for name, partition, header in _transactional_batches(request, context):
        producer = ProducerIdentity(header.producer_id, header.producer_epoch)
        producers.add(producer)
        if takes_part(partition, producer):
            continue
        first_writes.append(name)
        if adds and header.base_sequence and header.producer_id not in partition.log.producers.entries:
            headless.append(name)
    if len({producer.producer_id for producer in producers}) > 1:
        return dict.fromkeys(first_writes, ErrorCode.INVALID_PRODUCER_ID_MAPPING)
    if not first_writes:
        return {}

    def refuse_headless(verdicts: Verdicts) -> Verdicts:
        for name in headless:
            if verdicts.get(name) is ErrorCode.NONE:
                verdicts[name] = ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        return verdicts

    admitted = admit(
        context.services,
        request.transactional_id or "",
        producers.pop(),
        first_writes,
        adds=adds,
        knows_abortable=version >= FIRST_VERSION_WITH_ABORTABLE,
    )
    return then(admitted, refuse_headless) if headless else admitted


def _transactional_batches(
    request: ProduceRequest, context: RequestContext
) -> list[tuple[TopicPartition, Partition, BatchHeader]]:
    """The batches to ask about; what is wrong with others shows when they are appended."""
    services = context.services
    found = []
    for topic in request.topic_data:
        name: str | None = topic.name
        if context.api_version >= FIRST_VERSION_WITH_TOPIC_IDS:
            name = services.metadata.topic_names.get(topic.topic_id)
        if name is None:
            continue
        for data in topic.partition_data:
            records = data.records
            partition = services.replicas.get(name, data.index)
            if partition is None or not isinstance(records, memoryview) or len(records) < RECORD_BATCH_OVERHEAD:
                continue
            if records[MAGIC_OFFSET] == 2:
                header = BatchHeader._make(HEADER.unpack_from(records))
                if header.is_transactional:
                    found.append((TopicPartition(name, data.index), partition, header))
    return found
