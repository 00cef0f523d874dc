"""Every API that this broker serves, on one screen.

A row is `key, name, first version, last version, module`. The module is imported when the API is first used; it holds
`handle(request, context)`. What has no row is not advertised and closes the connection, as Apache Kafka does.
Versions start at 0 wherever Kafka 3.9 still serves them and end at Kafka 4.3's newest.
"""

from __future__ import annotations

from kwire.named_tuple import NamedTuple


class Api(NamedTuple):
    """One served API: versions `first` to `last`, handled by `kwire.api.<module>`."""

    key: int
    name: str
    first: int
    last: int
    module: str


APIS: tuple[Api, ...] = (
    Api(0, "Produce", 0, 13, "produce"),
    Api(1, "Fetch", 0, 18, "fetch"),
    Api(2, "ListOffsets", 0, 11, "list_offsets"),
    Api(3, "Metadata", 0, 13, "metadata"),
    Api(8, "OffsetCommit", 0, 10, "offset_commit"),
    Api(9, "OffsetFetch", 0, 10, "offset_fetch"),
    Api(10, "FindCoordinator", 0, 6, "find_coordinator"),
    Api(11, "JoinGroup", 0, 9, "join_group"),
    Api(12, "Heartbeat", 0, 4, "heartbeat"),
    Api(13, "LeaveGroup", 0, 5, "leave_group"),
    Api(14, "SyncGroup", 0, 5, "sync_group"),
    Api(15, "DescribeGroups", 0, 6, "describe_groups"),
    Api(16, "ListGroups", 0, 5, "list_groups"),
    Api(18, "ApiVersions", 0, 4, "api_versions"),
    Api(19, "CreateTopics", 0, 7, "create_topics"),
    Api(20, "DeleteTopics", 0, 6, "delete_topics"),
    Api(21, "DeleteRecords", 0, 2, "delete_records"),
    Api(22, "InitProducerId", 0, 6, "init_producer_id"),
    Api(23, "OffsetForLeaderEpoch", 0, 4, "offset_for_leader_epoch"),
    Api(24, "AddPartitionsToTxn", 0, 5, "add_partitions_to_txn"),
    Api(25, "AddOffsetsToTxn", 0, 4, "add_offsets_to_txn"),
    Api(26, "EndTxn", 0, 5, "end_txn"),
    Api(27, "WriteTxnMarkers", 0, 2, "write_txn_markers"),
    Api(28, "TxnOffsetCommit", 0, 5, "txn_offset_commit"),
    Api(32, "DescribeConfigs", 0, 4, "describe_configs"),
    Api(33, "AlterConfigs", 0, 2, "alter_configs"),
    Api(34, "AlterReplicaLogDirs", 0, 2, "alter_replica_log_dirs"),
    Api(35, "DescribeLogDirs", 0, 5, "describe_log_dirs"),
    Api(37, "CreatePartitions", 0, 3, "create_partitions"),
    Api(42, "DeleteGroups", 0, 2, "delete_groups"),
    Api(43, "ElectLeaders", 0, 2, "elect_leaders"),
    Api(44, "IncrementalAlterConfigs", 0, 1, "incremental_alter_configs"),
    Api(45, "AlterPartitionReassignments", 0, 1, "alter_partition_reassignments"),
    Api(46, "ListPartitionReassignments", 0, 0, "list_partition_reassignments"),
    Api(47, "OffsetDelete", 0, 0, "offset_delete"),
    Api(60, "DescribeCluster", 0, 2, "describe_cluster"),
    Api(61, "DescribeProducers", 0, 0, "describe_producers"),
    Api(65, "DescribeTransactions", 0, 0, "describe_transactions"),
    Api(66, "ListTransactions", 0, 2, "list_transactions"),
    Api(68, "ConsumerGroupHeartbeat", 0, 1, "consumer_group_heartbeat"),
    Api(69, "ConsumerGroupDescribe", 0, 1, "consumer_group_describe"),
    Api(74, "ListConfigResources", 0, 1, "list_config_resources"),
    Api(75, "DescribeTopicPartitions", 0, 0, "describe_topic_partitions"),
    Api(76, "ShareGroupHeartbeat", 1, 1, "share_group_heartbeat"),
    Api(77, "ShareGroupDescribe", 1, 1, "share_group_describe"),
    Api(78, "ShareFetch", 1, 2, "share_fetch"),
    Api(79, "ShareAcknowledge", 1, 2, "share_acknowledge"),
    Api(83, "InitializeShareGroupState", 0, 0, "initialize_share_group_state"),
    Api(84, "ReadShareGroupState", 0, 0, "read_share_group_state"),
    Api(85, "WriteShareGroupState", 0, 1, "write_share_group_state"),
    Api(86, "DeleteShareGroupState", 0, 0, "delete_share_group_state"),
    Api(87, "ReadShareGroupStateSummary", 0, 1, "read_share_group_state_summary"),
    Api(88, "StreamsGroupHeartbeat", 0, 0, "streams_group_heartbeat"),
    Api(89, "StreamsGroupDescribe", 0, 0, "streams_group_describe"),
    Api(90, "DescribeShareGroupOffsets", 0, 1, "describe_share_group_offsets"),
    Api(91, "AlterShareGroupOffsets", 0, 0, "alter_share_group_offsets"),
    Api(92, "DeleteShareGroupOffsets", 0, 0, "delete_share_group_offsets"),
)

API_BY_KEY: dict[int, Api] = {api.key: api for api in APIS}
