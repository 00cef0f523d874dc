"""What a ConsumerGroupHeartbeat must look like, whatever group it is for (apache/kafka `GroupCoordinatorService`)."""

from __future__ import annotations

from kwire.coord.group.consumer.config import ConsumerGroupConfig
from kwire.coord.group.consumer.member import JOIN_EPOCH, LEAVE_EPOCH, LEAVE_STATIC_EPOCH
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest


def check_heartbeat(
    request: ConsumerGroupHeartbeatRequest, config: ConsumerGroupConfig, *, makes_member_id: bool
) -> None:
    """Raises INVALID_REQUEST with the first thing that is wrong, UNSUPPORTED_ASSIGNOR.

    `makes_member_id`: the coordinator gives a new member its id.
    """
    epoch = request.member_epoch
    if not makes_member_id or epoch > JOIN_EPOCH or epoch == LEAVE_EPOCH:
        _must_not_be_blank(request.member_id, "MemberId")
    _must_not_be_blank(request.group_id, "GroupId")
    if request.instance_id is not None:
        _must_not_be_blank(request.instance_id, "InstanceId")
    if request.rack_id is not None:
        _must_not_be_blank(request.rack_id, "RackId")
    if epoch == JOIN_EPOCH:
        _joining_member_must_say_everything(request)
    elif epoch == LEAVE_STATIC_EPOCH and request.instance_id is None:
        raise KafkaError(ErrorCode.INVALID_REQUEST, "InstanceId can't be null.")
    elif epoch < LEAVE_STATIC_EPOCH:
        raise KafkaError(ErrorCode.INVALID_REQUEST, "MemberEpoch is invalid.")
    assignor = request.server_assignor
    if assignor is not None and assignor not in config.assignors:
        text = f"ServerAssignor {assignor} is not supported. Supported assignors: {', '.join(config.assignors)}."
        raise KafkaError(ErrorCode.UNSUPPORTED_ASSIGNOR, text)


def _must_not_be_blank(value: str, name: str) -> None:
    if not value.strip():
        raise KafkaError(ErrorCode.INVALID_REQUEST, f"{name} can't be empty.")


def _joining_member_must_say_everything(request: ConsumerGroupHeartbeatRequest) -> None:
    text = None
    if request.rebalance_timeout_ms == -1:
        text = "RebalanceTimeoutMs must be provided in first request."
    elif request.topic_partitions is None or request.topic_partitions:
        text = "TopicPartitions must be empty when (re-)joining."
    elif request.subscribed_topic_names is None and request.subscribed_topic_regex is None:
        text = "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining."
    if text is not None:
        raise KafkaError(ErrorCode.INVALID_REQUEST, text)
