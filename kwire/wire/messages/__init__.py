"""Every message of the protocol, one module per API; this table says which.

A module is imported when its API is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple


class ApiMessages(NamedTuple):
    """Where an API's messages are: module name, stem of the class names, first flexible version (KIP-482)."""

    module: str
    stem: str
    flexible_since: int | None


API_MODULES: dict[int, ApiMessages] = {
    0: ApiMessages("produce", "Produce", 9),
    1: ApiMessages("fetch", "Fetch", 12),
    2: ApiMessages("list_offsets", "ListOffsets", 6),
    3: ApiMessages("metadata", "Metadata", 9),
    4: ApiMessages("leader_and_isr", "LeaderAndIsr", 4),
    5: ApiMessages("stop_replica", "StopReplica", 2),
    6: ApiMessages("update_metadata", "UpdateMetadata", 6),
    7: ApiMessages("controlled_shutdown", "ControlledShutdown", 3),
    8: ApiMessages("offset_commit", "OffsetCommit", 8),
    9: ApiMessages("offset_fetch", "OffsetFetch", 6),
    10: ApiMessages("find_coordinator", "FindCoordinator", 3),
    11: ApiMessages("join_group", "JoinGroup", 6),
    12: ApiMessages("heartbeat", "Heartbeat", 4),
    13: ApiMessages("leave_group", "LeaveGroup", 4),
    14: ApiMessages("sync_group", "SyncGroup", 4),
    15: ApiMessages("describe_groups", "DescribeGroups", 5),
    16: ApiMessages("list_groups", "ListGroups", 3),
    17: ApiMessages("sasl_handshake", "SaslHandshake", None),
    18: ApiMessages("api_versions", "ApiVersions", 3),
    19: ApiMessages("create_topics", "CreateTopics", 5),
    20: ApiMessages("delete_topics", "DeleteTopics", 4),
    21: ApiMessages("delete_records", "DeleteRecords", 2),
    22: ApiMessages("init_producer_id", "InitProducerId", 2),
    23: ApiMessages("offset_for_leader_epoch", "OffsetForLeaderEpoch", 4),
    24: ApiMessages("add_partitions_to_txn", "AddPartitionsToTxn", 3),
    25: ApiMessages("add_offsets_to_txn", "AddOffsetsToTxn", 3),
    26: ApiMessages("end_txn", "EndTxn", 3),
    27: ApiMessages("write_txn_markers", "WriteTxnMarkers", 1),
    28: ApiMessages("txn_offset_commit", "TxnOffsetCommit", 3),
    29: ApiMessages("describe_acls", "DescribeAcls", 2),
    30: ApiMessages("create_acls", "CreateAcls", 2),
    31: ApiMessages("delete_acls", "DeleteAcls", 2),
    32: ApiMessages("describe_configs", "DescribeConfigs", 4),
    33: ApiMessages("alter_configs", "AlterConfigs", 2),
    34: ApiMessages("alter_replica_log_dirs", "AlterReplicaLogDirs", 2),
    35: ApiMessages("describe_log_dirs", "DescribeLogDirs", 2),
    36: ApiMessages("sasl_authenticate", "SaslAuthenticate", 2),
    37: ApiMessages("create_partitions", "CreatePartitions", 2),
    38: ApiMessages("create_delegation_token", "CreateDelegationToken", 2),
    39: ApiMessages("renew_delegation_token", "RenewDelegationToken", 2),
    40: ApiMessages("expire_delegation_token", "ExpireDelegationToken", 2),
    41: ApiMessages("describe_delegation_token", "DescribeDelegationToken", 2),
    42: ApiMessages("delete_groups", "DeleteGroups", 2),
    43: ApiMessages("elect_leaders", "ElectLeaders", 2),
    44: ApiMessages("incremental_alter_configs", "IncrementalAlterConfigs", 1),
    45: ApiMessages("alter_partition_reassignments", "AlterPartitionReassignments", 0),
    46: ApiMessages("list_partition_reassignments", "ListPartitionReassignments", 0),
    47: ApiMessages("offset_delete", "OffsetDelete", None),
    48: ApiMessages("describe_client_quotas", "DescribeClientQuotas", 1),
    49: ApiMessages("alter_client_quotas", "AlterClientQuotas", 1),
    50: ApiMessages("describe_user_scram_credentials", "DescribeUserScramCredentials", 0),
    51: ApiMessages("alter_user_scram_credentials", "AlterUserScramCredentials", 0),
    52: ApiMessages("vote", "Vote", 0),
    53: ApiMessages("begin_quorum_epoch", "BeginQuorumEpoch", 1),
    54: ApiMessages("end_quorum_epoch", "EndQuorumEpoch", 1),
    55: ApiMessages("describe_quorum", "DescribeQuorum", 0),
    56: ApiMessages("alter_partition", "AlterPartition", 0),
    57: ApiMessages("update_features", "UpdateFeatures", 0),
    58: ApiMessages("envelope", "Envelope", 0),
    59: ApiMessages("fetch_snapshot", "FetchSnapshot", 0),
    60: ApiMessages("describe_cluster", "DescribeCluster", 0),
    61: ApiMessages("describe_producers", "DescribeProducers", 0),
    62: ApiMessages("broker_registration", "BrokerRegistration", 0),
    63: ApiMessages("broker_heartbeat", "BrokerHeartbeat", 0),
    64: ApiMessages("unregister_broker", "UnregisterBroker", 0),
    65: ApiMessages("describe_transactions", "DescribeTransactions", 0),
    66: ApiMessages("list_transactions", "ListTransactions", 0),
    67: ApiMessages("allocate_producer_ids", "AllocateProducerIds", 0),
    68: ApiMessages("consumer_group_heartbeat", "ConsumerGroupHeartbeat", 0),
    69: ApiMessages("consumer_group_describe", "ConsumerGroupDescribe", 0),
    70: ApiMessages("controller_registration", "ControllerRegistration", 0),
    71: ApiMessages("get_telemetry_subscriptions", "GetTelemetrySubscriptions", 0),
    72: ApiMessages("push_telemetry", "PushTelemetry", 0),
    73: ApiMessages("assign_replicas_to_dirs", "AssignReplicasToDirs", 0),
    74: ApiMessages("list_config_resources", "ListConfigResources", 0),
    75: ApiMessages("describe_topic_partitions", "DescribeTopicPartitions", 0),
    76: ApiMessages("share_group_heartbeat", "ShareGroupHeartbeat", 0),
    77: ApiMessages("share_group_describe", "ShareGroupDescribe", 0),
    78: ApiMessages("share_fetch", "ShareFetch", 0),
    79: ApiMessages("share_acknowledge", "ShareAcknowledge", 0),
    80: ApiMessages("add_raft_voter", "AddRaftVoter", 0),
    81: ApiMessages("remove_raft_voter", "RemoveRaftVoter", 0),
    82: ApiMessages("update_raft_voter", "UpdateRaftVoter", 0),
    83: ApiMessages("initialize_share_group_state", "InitializeShareGroupState", 0),
    84: ApiMessages("read_share_group_state", "ReadShareGroupState", 0),
    85: ApiMessages("write_share_group_state", "WriteShareGroupState", 0),
    86: ApiMessages("delete_share_group_state", "DeleteShareGroupState", 0),
    87: ApiMessages("read_share_group_state_summary", "ReadShareGroupStateSummary", 0),
    88: ApiMessages("streams_group_heartbeat", "StreamsGroupHeartbeat", 0),
    89: ApiMessages("streams_group_describe", "StreamsGroupDescribe", 0),
    90: ApiMessages("describe_share_group_offsets", "DescribeShareGroupOffsets", 0),
    91: ApiMessages("alter_share_group_offsets", "AlterShareGroupOffsets", 0),
    92: ApiMessages("delete_share_group_offsets", "DeleteShareGroupOffsets", 0),
}
"""Every API by its key."""


def request_class(key: int) -> type[Any]:
    """The request class of an API; KeyError for an unknown key."""
    api = API_MODULES[key]
    cls: type[Any] = getattr(import_module(f"kwire.wire.messages.{api.module}"), api.stem + "Request")
    return cls


def response_class(key: int) -> type[Any]:
    """The response class of an API; KeyError for an unknown key."""
    api = API_MODULES[key]
    cls: type[Any] = getattr(import_module(f"kwire.wire.messages.{api.module}"), api.stem + "Response")
    return cls
