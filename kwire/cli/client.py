"""A small blocking client: knows the cluster, finds leaders and coordinators, turns error codes into sentences.

It serves the commands and nothing else: one request at a time per broker unless a caller pipelines by itself, and no
threads. Topics are addressed by name, so versions that know only topic ids are not used.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, TypeVar

from kwire.cli.connection import BrokerUnreachable, ClientError, Connection
from kwire.errors import RETRIABLE, ErrorCode
from kwire.wire.messages.find_coordinator import FindCoordinatorRequest
from kwire.wire.messages.metadata import MetadataRequest, MetadataRequestTopic

__all__ = ["BrokerUnreachable", "Client", "ClientError", "Cluster", "Partition", "Topic", "check", "error_name"]

RETRY_PAUSE_S = 0.1
DEFAULT_PORT = 9092

T = TypeVar("T")


class Partition(NamedTuple):
    """One partition as Metadata shows it; `leader` is -1 when there is none."""

    number: int
    leader: int
    leader_epoch: int
    replicas: list[int]
    isr: list[int]
    offline: list[int]


class Topic(NamedTuple):
    """One topic as Metadata shows it, partitions by index."""

    name: str
    topic_id: bytes
    is_internal: bool
    partitions: list[Partition]


class Cluster(NamedTuple):
    """The brokers (id -> host, port, rack) and the topics that were asked for; errors by topic name."""

    cluster_id: str | None
    controller_id: int
    brokers: dict[int, tuple[str, int, str | None]]
    topics: dict[str, Topic]
    errors: dict[str, ErrorCode]


GROUP: Final = 0
TRANSACTION: Final = 1
KIND_OF_KEY: Final = {GROUP: "group", TRANSACTION: "transactional id"}
"""Kinds of coordinators."""


class Client:
    """Connections to the brokers of the cluster behind `bootstrap` ("host:port,host:port", port 9092 if left out)."""

    def __init__(self, bootstrap: str, *, timeout_s: float = 30.0) -> None:
        self.timeout_s = timeout_s
        self._bootstrap = [_address(text) for text in bootstrap.split(",") if text.strip()]
        if not self._bootstrap:
            raise ClientError(f"{bootstrap!r} is not a broker's address; write host:port")
        self._first: Connection | None = None
        self._connections: dict[int, Connection] = {}
        self._brokers: dict[int, tuple[str, int, str | None]] = {}
        self._controller_id = -1
        self._coordinators: dict[tuple[int, str], int] = {}

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        for connection in (*self._connections.values(), *((self._first,) if self._first else ())):
            connection.close()
        self._connections.clear()
        self._first = None

    # --- brokers ------------------------------------------------------------------------------------------------

    def any_broker(self) -> Connection:
        """A connection to the first address that answers. Raises BrokerUnreachable that names them all."""
        if self._first is None:
            failures: list[str] = []
            for host, port in self._bootstrap:
                try:
                    self._first = Connection(host, port, timeout_s=self.timeout_s)
                    break
                except BrokerUnreachable as error:
                    failures.append(str(error))
            else:
                raise BrokerUnreachable("; ".join(failures))
        return self._first

    def broker(self, broker_id: int) -> Connection:
        """A connection to one broker of the cluster, at the address it announces."""
        connection = self._connections.get(broker_id)
        if connection is None:
            if broker_id not in self._brokers:
                self.cluster([])
            if broker_id not in self._brokers:
                raise ClientError(f"the cluster has no broker {broker_id}")
            host, port, _ = self._brokers[broker_id]
            try:
                connection = Connection(host, port, timeout_s=self.timeout_s)
            except BrokerUnreachable as error:
                hint = f"broker {broker_id} announces an address that cannot be reached from here"
                raise BrokerUnreachable(f"{error}; {hint}") from None
            self._connections[broker_id] = connection
        return connection

    def controller(self) -> Connection:
        """A connection to the controller, where topics are changed; to any broker when none is known."""
        if self._controller_id not in self._brokers:
            self.cluster([])
        known = self._controller_id in self._brokers
        return self.broker(self._controller_id) if known else self.any_broker()

    def coordinator(self, key: str, key_type: int = GROUP) -> Connection:
        """A connection to the coordinator of a group (or transactional id); waits while its topic is being made."""
        if (key_type, key) not in self._coordinators:
            found = self.retrying(lambda: self._find_coordinator(key, key_type))
            self._coordinators[key_type, key] = found
        return self.broker(self._coordinators[key_type, key])

    def forget_coordinator(self, key: str, key_type: int = GROUP) -> None:
        """Ask anew before the next request to this coordinator."""
        self._coordinators.pop((key_type, key), None)

    def _find_coordinator(self, key: str, key_type: int) -> int:
        connection = self.any_broker()
        version = connection.version(FindCoordinatorRequest)
        if version >= 4:
            request = FindCoordinatorRequest(key_type=key_type, coordinator_keys=[key])
        else:
            request = FindCoordinatorRequest(key_type=key_type, key=key)
        answer = connection.call(request, version=version)
        found = answer.coordinators[0] if version >= 4 else answer
        check(found.error_code, found.error_message, f"the coordinator of {KIND_OF_KEY[key_type]} {key}")
        self._brokers[found.node_id] = (found.host, found.port, None)
        return int(found.node_id)

    # --- metadata -----------------------------------------------------------------------------------------------

    def cluster(self, topics: Iterable[str] | None, *, create: bool = False) -> Cluster:
        """Brokers and the named topics, None for all; `create` lets the broker create those that are missing."""
        connection = self.any_broker()
        version = connection.version(MetadataRequest, 12)
        wanted = None if topics is None else [MetadataRequestTopic(name=name) for name in topics]
        request = MetadataRequest(topics=wanted, allow_auto_topic_creation=create if version >= 4 else True)
        answer = connection.call(request, version=version)
        found: dict[str, Topic] = {}
        errors: dict[str, ErrorCode] = {}
        for topic in answer.topics:
            if topic.error_code:
                errors[topic.name] = _code(topic.error_code)
                continue
            partitions = [
                Partition(
                    p.partition_index, p.leader_id, p.leader_epoch, p.replica_nodes, p.isr_nodes, p.offline_replicas
                )
                for p in sorted(topic.partitions, key=lambda partition: partition.partition_index)
            ]
            found[topic.name] = Topic(topic.name, topic.topic_id, topic.is_internal, partitions)
        self._brokers.update({broker.node_id: (broker.host, broker.port, broker.rack) for broker in answer.brokers})
        self._controller_id = answer.controller_id
        brokers = {broker.node_id: self._brokers[broker.node_id] for broker in answer.brokers}
        return Cluster(answer.cluster_id, answer.controller_id, brokers, found, errors)

    def topic(self, name: str, *, create: bool = False) -> Topic:
        """One topic with a leader for each partition; waits for one that is just being created.

        Raises ClientError for a topic that does not exist.
        """

        def look() -> Topic:
            cluster = self.cluster([name], create=create)
            if name in cluster.errors:
                code = cluster.errors[name]
                if code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION and not create:
                    raise ClientError(f"topic {name} does not exist; kwire topic create {name}")
                check(code, None, f"topic {name}")
            topic = cluster.topics[name]
            leaderless = [str(partition.number) for partition in topic.partitions if partition.leader < 0]
            if leaderless:
                text = f"partition {', '.join(leaderless)} of {name} has no leader"
                raise RequestFailed(ErrorCode.LEADER_NOT_AVAILABLE, text)
            return topic

        return self.retrying(look)

    def retrying(self, attempt: Callable[[], T]) -> T:
        """Do something until it no longer fails with a retriable error, at most for the client's timeout."""
        deadline = time.monotonic() + self.timeout_s
        while True:
            try:
                return attempt()
            except RequestFailed as error:
                if error.code not in RETRIABLE or time.monotonic() >= deadline:
                    raise
            time.sleep(RETRY_PAUSE_S)


class RequestFailed(ClientError):
    """The broker answered with an error code; the text says of what."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def check(code: int, message: str | None, what: str) -> None:
    """Nothing for code 0; else RequestFailed: `what`: the broker's text, or the code in words."""
    if code:
        known = _code(code)
        words = message or known.name.lower().replace("_", " ")
        raise RequestFailed(known, f"{what}: {words.rstrip('.')} ({known.name})")


def error_name(code: int) -> str:
    """Kafka's name of an error code."""
    return _code(code).name


def _code(code: int) -> ErrorCode:
    try:
        return ErrorCode(code)
    except ValueError:
        return ErrorCode.UNKNOWN_SERVER_ERROR


def _address(text: str) -> tuple[str, int]:
    """`host`, `host:port`, `[ipv6]:port`; a listener name before :// is dropped. Raises ClientError."""
    text = text.strip().rpartition("://")[2]
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(DEFAULT_PORT)
    host = host.strip("[]")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ClientError(f"{text!r} is not a broker's address; write host:port")
    return host, int(port)
