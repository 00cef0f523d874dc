"""What a handler is given besides the request: who asks, and the broker's parts it may call."""

from __future__ import annotations

from asyncio import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from kwire.api.fetch_sessions import FetchSessionCache
    from kwire.api.share_services import ShareServices
    from kwire.clock import Clock
    from kwire.cluster.controller.driver import Controller
    from kwire.cluster.metadata_cache import MetadataCache
    from kwire.cluster.producer_ids import ProducerIdManager
    from kwire.config.broker_config import BrokerConfig
    from kwire.coord.group.coordinator import GroupCoordinator
    from kwire.coord.txn.coordinator import TransactionCoordinator
    from kwire.log.manager import LogManager
    from kwire.net.connection import Connection
    from kwire.replica.manager import ReplicaManager


class CloseConnection(Exception):
    """The one honest answer to this request is to close its connection; the text goes to the log."""


class Services:
    """The parts of one broker, put together by `kwire.broker`; every handler reaches them through its context.

    The coordinators are made by `make_groups`, `make_transactions` and `make_share` when they are first asked for:
    loading their code and their state takes longer than the rest of a start together, and a broker that serves no group
    never pays for it.
    """

    __slots__ = (
        "_groups",
        "_share",
        "_transactions",
        "broker_id",
        "clock",
        "cluster_id",
        "config",
        "controller",
        "fetch_sessions",
        "heavy_work",
        "logs",
        "make_groups",
        "make_share",
        "make_transactions",
        "metadata",
        "producer_ids",
        "replicas",
    )

    broker_id: int
    cluster_id: str
    clock: Clock
    config: BrokerConfig
    controller: Controller
    fetch_sessions: FetchSessionCache
    heavy_work: Lock
    """Held while a thread looks into one oversized batch: two would take twice the memory and no less time."""
    make_groups: Callable[[], GroupCoordinator]
    make_share: Callable[[], ShareServices]
    make_transactions: Callable[[], TransactionCoordinator]
    logs: LogManager
    metadata: MetadataCache
    producer_ids: ProducerIdManager
    replicas: ReplicaManager

    def __init__(self) -> None:
        self._groups: GroupCoordinator | None = None
        self._share: ShareServices | None = None
        self._transactions: TransactionCoordinator | None = None
        self.heavy_work = Lock()

    @property
    def groups(self) -> GroupCoordinator:
        """The coordinator of the groups whose partitions this broker leads."""
        if self._groups is None:
            self._groups = self.make_groups()
        return self._groups

    @groups.setter
    def groups(self, groups: GroupCoordinator) -> None:
        self._groups = groups

    @property
    def share(self) -> ShareServices:
        """Share groups: their members, the states of their partitions, the partitions being read."""
        if self._share is None:
            self._share = self.make_share()
        return self._share

    @property
    def transactions(self) -> TransactionCoordinator:
        """The coordinator of the transactional ids whose partitions this broker leads."""
        if self._transactions is None:
            self._transactions = self.make_transactions()
        return self._transactions

    @transactions.setter
    def transactions(self, transactions: TransactionCoordinator) -> None:
        self._transactions = transactions


class RequestContext:
    """One request's circumstances.

    `now_ms` is the instant at which the request was taken in hand; handlers use it and never read a clock.
    """

    __slots__ = ("api_key", "api_version", "client_id", "connection", "correlation_id", "now_ms", "services")

    def __init__(
        self,
        api_key: int,
        api_version: int,
        correlation_id: int,
        client_id: str | None,
        connection: Connection,
        services: Services,
        now_ms: int,
    ) -> None:
        self.api_key = api_key
        self.api_version = api_version
        self.correlation_id = correlation_id
        self.client_id = client_id
        self.connection = connection
        self.services = services
        self.now_ms = now_ms
