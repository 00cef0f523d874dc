"""Every znode of Apache Kafka 3.9 in ZooKeeper mode that brokers share: its path, and its data as bytes and as values.

JSON is written as Kafka writes it: no spaces, keys in Kafka's order, strings where Kafka has strings for numbers. It is
read leniently: unknown keys are skipped, for a newer broker may have written them. A node whose data cannot be read
raises `ZnodeError`; nothing is guessed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from kwire.config.endpoints import Endpoint
from kwire.ids import ZERO_UUID, uuid_from_text, uuid_text
from kwire.named_tuple import NamedTuple

NO_LEADER = -1


class ZnodeError(ValueError):
    """Data of a znode that is not what its path promises."""

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(f"{path}: {detail}")
        self.path = path


def to_json_bytes(value: object) -> bytes:
    """JSON as Kafka's encoder writes it: compact, non-ASCII characters as UTF-8."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def from_json_bytes(path: str, data: bytes | None) -> dict[str, Any]:
    """The JSON object in a znode. Raises ZnodeError."""
    if data is None:
        raise ZnodeError(path, "has no data")
    try:
        value = json.loads(data.decode())  # Given bytes, json would first guess their encoding.
    except ValueError as error:
        raise ZnodeError(path, f"is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ZnodeError(path, "is not a JSON object")
    return value


class ConsumersZnode:
    """`/consumers`: empty with current clients, but Kafka expects it."""

    PATH = "/consumers"


class BrokersZnode:
    """`/brokers`, the parent of ids, topics and seqid."""

    PATH = "/brokers"


class BrokerIdsZnode:
    """`/brokers/ids`: one ephemeral child per live broker."""

    PATH = "/brokers/ids"


class BrokerRegistration(NamedTuple):
    """What `/brokers/ids/<id>` says of a broker; `timestamp_ms` is the registration's instant."""

    broker_id: int
    endpoints: tuple[Endpoint, ...]
    rack: str | None
    jmx_port: int
    timestamp_ms: int


class BrokerIdZnode:
    """`/brokers/ids/<id>`, ephemeral, version 5 of its JSON; its czxid is the broker's epoch."""

    VERSION = 5

    @staticmethod
    def path(broker_id: int) -> str:
        return f"{BrokerIdsZnode.PATH}/{broker_id}"

    @classmethod
    def encode(cls, broker: BrokerRegistration) -> bytes:
        plaintext = next((end for end in broker.endpoints if end.security_protocol == "PLAINTEXT"), None)
        value: dict[str, object] = {
            "features": {},
            "listener_security_protocol_map": {end.listener_name: end.security_protocol for end in broker.endpoints},
            "endpoints": [str(endpoint) for endpoint in broker.endpoints],
        }
        if broker.rack is not None:
            value["rack"] = broker.rack
        value["jmx_port"] = broker.jmx_port
        value["port"] = plaintext.port if plaintext else -1
        value["host"] = plaintext.host if plaintext else None
        value["version"] = cls.VERSION
        value["timestamp"] = str(broker.timestamp_ms)
        return to_json_bytes(value)

    @classmethod
    def decode(cls, broker_id: int, data: bytes | None) -> BrokerRegistration:
        path = cls.path(broker_id)
        value = from_json_bytes(path, data)
        protocols = value.get("listener_security_protocol_map", {})
        try:
            endpoints = tuple(_endpoint(text, protocols) for text in value["endpoints"])
            rack = value.get("rack")
            return BrokerRegistration(
                broker_id, endpoints, rack, int(value.get("jmx_port", -1)), int(value.get("timestamp", -1))
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ZnodeError(path, f"is not a broker registration: {error!r}") from error


def _endpoint(text: str, protocols: Mapping[str, str]) -> Endpoint:
    listener_name, _, address = text.partition("://")
    host, _, port = address.rpartition(":")
    return Endpoint(listener_name, host.strip("[]"), int(port), protocols.get(listener_name, listener_name))


class BrokerSequenceIdZnode:
    """`/brokers/seqid`: its data version is the counter of generated broker ids."""

    PATH = "/brokers/seqid"


class TopicsZnode:
    """`/brokers/topics`: one child per topic."""

    PATH = "/brokers/topics"


class TopicAssignment(NamedTuple):
    """`/brokers/topics/<topic>`: id (zero if the topic predates ids) and, per partition, its replicas in order."""

    topic_id: bytes
    replicas: dict[int, list[int]]
    adding_replicas: dict[int, list[int]]
    removing_replicas: dict[int, list[int]]


class TopicZnode:
    """`/brokers/topics/<topic>`, version 3 of its JSON."""

    VERSION = 3

    @staticmethod
    def path(topic: str) -> str:
        return f"{TopicsZnode.PATH}/{topic}"

    @classmethod
    def encode(cls, assignment: TopicAssignment) -> bytes:
        value: dict[str, object] = {"partitions": _by_text(assignment.replicas)}
        if assignment.topic_id != ZERO_UUID:
            value["topic_id"] = uuid_text(assignment.topic_id)
        value["adding_replicas"] = _by_text(assignment.adding_replicas)
        value["removing_replicas"] = _by_text(assignment.removing_replicas)
        value["version"] = cls.VERSION
        return to_json_bytes(value)

    @classmethod
    def decode(cls, topic: str, data: bytes | None) -> TopicAssignment:
        path = cls.path(topic)
        value = from_json_bytes(path, data)
        try:
            topic_id = value.get("topic_id")
            return TopicAssignment(
                ZERO_UUID if topic_id is None else uuid_from_text(topic_id),
                _by_number(value["partitions"]),
                _by_number(value.get("adding_replicas", {})),
                _by_number(value.get("removing_replicas", {})),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ZnodeError(path, f"is not a topic's assignment: {error!r}") from error


def _by_text(replicas: Mapping[int, Sequence[int]]) -> dict[str, list[int]]:
    return {str(partition): list(brokers) for partition, brokers in sorted(replicas.items())}


def _by_number(replicas: Mapping[str, Sequence[int]]) -> dict[int, list[int]]:
    return {int(partition): [int(broker) for broker in brokers] for partition, brokers in replicas.items()}


class TopicPartitionsZnode:
    """`/brokers/topics/<topic>/partitions`: no data, one child per partition."""

    @staticmethod
    def path(topic: str) -> str:
        return f"{TopicsZnode.PATH}/{topic}/partitions"


class TopicPartitionZnode:
    """`.../partitions/<partition>`: no data, one child `state`."""

    @staticmethod
    def path(topic: str, partition: int) -> str:
        return f"{TopicsZnode.PATH}/{topic}/partitions/{partition}"


class PartitionState(NamedTuple):
    """Who leads a partition; `leader` is -1 if nobody does. The znode's data version is the partition epoch."""

    controller_epoch: int
    leader: int
    leader_epoch: int
    isr: list[int]


class TopicPartitionStateZnode:
    """`.../partitions/<partition>/state`, version 1 of its JSON; written by the controller alone."""

    VERSION = 1

    @staticmethod
    def path(topic: str, partition: int) -> str:
        return f"{TopicsZnode.PATH}/{topic}/partitions/{partition}/state"

    @classmethod
    def encode(cls, state: PartitionState) -> bytes:
        isr = ",".join(map(str, state.isr))
        # By hand: a topic may have a thousand of these, and json.dumps would be most of the cost of creating it.
        return (
            f'{{"controller_epoch":{state.controller_epoch},"leader":{state.leader},"version":{cls.VERSION},'
            f'"leader_epoch":{state.leader_epoch},"isr":[{isr}]}}'
        ).encode()

    @classmethod
    def decode(cls, path: str, data: bytes | None) -> PartitionState:
        value = from_json_bytes(path, data)
        try:
            return PartitionState(value["controller_epoch"], value["leader"], value["leader_epoch"], value["isr"])
        except KeyError as error:
            raise ZnodeError(path, f"is not a partition's state: lacks {error}") from error


class ControllerZnode:
    """`/controller`, ephemeral, version 2 of its JSON: who the controller is. Its data version is always 0."""

    PATH = "/controller"
    VERSION = 2

    @classmethod
    def encode(cls, broker_id: int, timestamp_ms: int) -> bytes:
        return to_json_bytes(
            {
                "version": cls.VERSION,
                "brokerid": broker_id,
                "timestamp": str(timestamp_ms),
                "kraftControllerEpoch": -1,
            }
        )

    @classmethod
    def decode(cls, data: bytes | None) -> int:
        value = from_json_bytes(cls.PATH, data)
        try:
            return int(value["brokerid"])
        except (KeyError, TypeError, ValueError) as error:
            raise ZnodeError(cls.PATH, f"names no controller: {error!r}") from error


class ControllerEpochZnode:
    """`/controller_epoch`: the epoch as plain text; its data version fences every write of the controller."""

    PATH = "/controller_epoch"

    @staticmethod
    def encode(epoch: int) -> bytes:
        return b"%d" % epoch

    @classmethod
    def decode(cls, data: bytes | None) -> int:
        try:
            return int(data or b"")
        except ValueError as error:
            raise ZnodeError(cls.PATH, "is not a number") from error


class ClusterIdZnode:
    """`/cluster/id`: the cluster's id; `version` is a string here."""

    PATH = "/cluster/id"

    @staticmethod
    def encode(cluster_id: str) -> bytes:
        return to_json_bytes({"version": "1", "id": cluster_id})

    @classmethod
    def decode(cls, data: bytes | None) -> str:
        value = from_json_bytes(cls.PATH, data)
        try:
            return str(value["id"])
        except KeyError as error:
            raise ZnodeError(cls.PATH, "has no id") from error


class FeatureZnode:
    """`/feature`: the finalized features; none are finalized through ZooKeeper, status 1 says they may be."""

    PATH = "/feature"

    @staticmethod
    def encode() -> bytes:
        return to_json_bytes({"features": {}, "version": 2, "status": 1})


class ProducerIdBlock(NamedTuple):
    """1000 producer ids for one broker, both ends included."""

    broker_id: int
    first: int
    last: int


class ProducerIdBlockZnode:
    """`/latest_producer_id_block`: the block given out last; empty before the first."""

    PATH = "/latest_producer_id_block"

    @staticmethod
    def encode(block: ProducerIdBlock) -> bytes:
        return to_json_bytes(
            {
                "version": 1,
                "broker": block.broker_id,
                "block_start": str(block.first),
                "block_end": str(block.last),
            }
        )

    @classmethod
    def decode(cls, data: bytes | None) -> ProducerIdBlock | None:
        if not data:
            return None
        value = from_json_bytes(cls.PATH, data)
        try:
            return ProducerIdBlock(int(value["broker"]), int(value["block_start"]), int(value["block_end"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ZnodeError(cls.PATH, f"is not a block of producer ids: {error!r}") from error


class DeleteTopicsZnode:
    """`/admin/delete_topics`: one empty child per topic that is being deleted."""

    PATH = "/admin/delete_topics"

    @classmethod
    def topic_path(cls, topic: str) -> str:
        return f"{cls.PATH}/{topic}"


PERSISTENT_PATHS: tuple[str, ...] = (
    ConsumersZnode.PATH,
    BrokersZnode.PATH,
    BrokerIdsZnode.PATH,
    TopicsZnode.PATH,
    "/config",
    "/config/changes",
    "/admin",
    DeleteTopicsZnode.PATH,
    BrokerSequenceIdZnode.PATH,
    "/isr_change_notification",
    ProducerIdBlockZnode.PATH,
    "/log_dir_event_notification",
    "/config/topics",
    "/config/clients",
    "/config/users",
    "/config/brokers",
    "/config/ips",
)
"""What the first broker creates before anything else, empty, in Kafka's order."""
