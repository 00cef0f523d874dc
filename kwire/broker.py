"""One broker: builds every part, hands each the few others that it may call, starts them, stops them in reverse order.

Start: metadata store (and with it the lock on the data directory), logs (recovered where the last stop was not clean),
listeners, registration, controller (which gives every partition its leader), group coordinator. A listener is bound
before the broker registers, because port 0 is known only then; requests that come before the rest is ready wait.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from kwire.api.context import Services
from kwire.api.dispatch import Dispatcher
from kwire.api.fetch_sessions import FetchSessionCache
from kwire.api.warm_up import GROUP_METADATA_TOPIC, SHARE_GROUP_STATE_TOPIC, warm_up
from kwire.clock import Clock, SystemClock
from kwire.cluster.controller.driver import Controller
from kwire.cluster.controller.loading import load_broker_configs, load_topic_overrides
from kwire.cluster.embedded_store import METADATA_FILE_NAME, EmbeddedStore
from kwire.cluster.metadata_cache import MetadataCache
from kwire.cluster.producer_ids import ProducerIdManager
from kwire.cluster.registration import (
    InconsistentBrokerIdError,
    choose_broker_id,
    ensure_cluster_id,
    ensure_persistent_paths,
    register_broker,
)
from kwire.cluster.store import MetadataStore, StoreError
from kwire.cluster.znodes import BrokerRegistration
from kwire.config.broker_config import BrokerConfig
from kwire.config.endpoints import Endpoint
from kwire.config.topic_config import TopicConfig
from kwire.housekeeping import duties
from kwire.ids import TopicPartition, uuid_text
from kwire.log.checkpoints import META_PROPERTIES
from kwire.log.config import LogConfig
from kwire.log.directory import DirectoryLockedError, DirectoryUnusableError, LogDirectory, LogDirectoryError
from kwire.log.files import FILES
from kwire.log.manager import LogManager
from kwire.net.connection import Connection
from kwire.net.endpoint import Reply, RequestHandler
from kwire.net.limits import LIVE_OPTIONS, ConnectionLimits, ConnectionQuotas
from kwire.net.listener import Listener
from kwire.replica.manager import ReplicaManager, TopicSettings

if TYPE_CHECKING:
    from kwire.api.share_services import ShareServices
    from kwire.coord.group.coordinator import GroupCoordinator
    from kwire.coord.txn.coordinator import TransactionCoordinator

logger = logging.getLogger("kwire.broker")

SLOW_OPENING_MS = 1000
"""From here on, the opening of the data directories is worth a line."""

FETCH_SESSION_EVICTION_MS = 120_000
"""A session idle for longer may make room for another (apache/kafka `MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS`)."""


class BrokerStartError(Exception):
    """The broker cannot start on this data directory; the text says why and what helps.

    `directory_is_held`: another broker has it.
    """

    def __init__(self, text: str, *, directory_is_held: bool = False) -> None:
        super().__init__(text)
        self.directory_is_held = directory_is_held


class Broker:
    """A broker in this process and event loop.

    `ephemeral` keeps nothing: the data lies in a directory of its own that goes away with the broker. `store` is given
    where several brokers of one process share one (tests); otherwise the broker opens its own. A stop waits
    `stop_grace_s` seconds for requests in work.
    """

    def __init__(
        self,
        config: BrokerConfig,
        *,
        ephemeral: bool = False,
        store: EmbeddedStore | None = None,
        clock: Clock | None = None,
        stop_grace_s: float = 5.0,
    ) -> None:
        self.config = config
        self.stop_grace_s = stop_grace_s
        self.ephemeral = ephemeral
        self.clock: Clock = clock or SystemClock()
        self.broker_id = -1
        self.cluster_id = ""
        self.services = Services()
        self.data_directories: list[str] = []
        self._given_store = store
        self._ready = asyncio.Event()
        self._deleted_early: list[TopicPartition] = []
        self._listeners: list[Listener] = []
        self._undo: list[Callable[[], Awaitable[None]]] = []

    def addresses(self) -> list[str]:
        """What to connect to: one `host:port` per listener and address family, bracketed where IPv6."""
        return [
            f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            for listener in self._listeners
            for host, port in listener.addresses
        ]

    @property
    def port(self) -> int:
        """The port of the first listener."""
        return self._listeners[0].port

    async def start(self) -> None:
        """Return once every API can be used.

        Raises BrokerStartError (data directory) or OSError (port, a directory that cannot be made); nothing is left
        behind then.
        """
        try:
            await self._start()
        except BaseException as error:
            await self.stop()
            if isinstance(error, DirectoryLockedError):
                raise BrokerStartError(str(error), directory_is_held=True) from error
            if isinstance(error, LogDirectoryError | StoreError | InconsistentBrokerIdError):
                raise BrokerStartError(str(error)) from error
            raise

    async def stop(self) -> None:
        """Answer the requests in work, close the logs cleanly, leave the cluster; in reverse order of the start."""
        while self._undo:
            try:
                await self._undo.pop()()
            except Exception:
                logger.exception("a part of the broker did not stop properly")

    async def _start(self) -> None:
        self._open_directories()
        directories = self._lock_directories()
        stored = next(filter(None, (directory.identity() for directory in directories)), {})
        store = self._open_store()
        await ensure_persistent_paths(store)
        self.cluster_id = await ensure_cluster_id(store, stored.get("cluster.id") or uuid_text(os.urandom(16)))
        self.broker_id = await self._choose_broker_id(store, stored.get("broker.id"))
        services = self.services
        services.config, services.clock = self.config, self.clock
        services.broker_id, services.cluster_id = self.broker_id, self.cluster_id
        services.metadata = MetadataCache()
        services.metadata.cluster_id = self.cluster_id
        # Recovery goes by the options in force, before the controller brings them.
        self.config.apply_dynamic(*await load_broker_configs(store, self.broker_id))
        services.logs = self._open_logs(directories, await load_topic_overrides(store))
        services.replicas = ReplicaManager(self.broker_id, services.logs, self._topic_settings, self.clock.now_ms)
        services.producer_ids = ProducerIdManager(store, self.broker_id)
        services.fetch_sessions = FetchSessionCache(
            self.config.int("max.incremental.fetch.session.cache.slots"),
            FETCH_SESSION_EVICTION_MS,
            lambda: int.from_bytes(os.urandom(4)) >> 1,
        )
        services.controller = Controller(
            store=store,
            cluster=services.metadata,
            broker_id=self.broker_id,
            options=self.config,
            leadership=services.replicas,
            clock=self.clock,
        )
        services.make_groups, services.make_transactions = self._group_coordinator, self._transaction_coordinator
        services.make_share = self._share_services
        services.replicas.on_deleted.append(self._on_deleted)
        dispatcher = Dispatcher(services)
        self._undo.append(services.controller.stop)
        await self._listen(dispatcher)
        await register_broker(store, self._registration())
        await services.controller.start()
        for duty in duties(services.logs, self.config, self.clock.now_ms, services.replicas.reopen):
            self._in_background(duty)
        self._ready.set()
        if self._deleted_early:
            self._on_deleted(self._deleted_early)
        for listener in self._listeners:
            listener.serve_with(dispatcher)
        self._in_background(warm_up(dispatcher, services))

    # --- parts -----------------------------------------------------------------------------------------------------

    def _open_directories(self) -> None:
        if self.ephemeral:
            from shutil import rmtree
            from tempfile import mkdtemp

            directory = mkdtemp(prefix="kwire-")
            self.data_directories = [directory]

            async def remove() -> None:
                rmtree(directory, ignore_errors=True)

            self._undo.append(remove)
            return
        self.data_directories = [os.path.abspath(os.path.expanduser(name)) for name in self.config.log_dirs()]

    def _open_store(self) -> MetadataStore:
        store = self._given_store
        if store is None:
            path = None if self.ephemeral else os.path.join(self.data_directories[0], METADATA_FILE_NAME)
            store = EmbeddedStore(path, self.clock)
            self._undo.append(_closing(store))
        session = store.session()
        self._undo.append(session.close)
        return session

    def _lock_directories(self) -> list[LogDirectory]:
        """Lock every directory that can be had; the log manager finds again, and tells, what is wrong with others."""
        directories = [LogDirectory(path, FILES) for path in self.data_directories]

        async def release() -> None:
            for directory in directories:
                directory.release()

        self._undo.append(release)
        unusable = []
        for directory in directories:
            try:
                directory.lock()
            except DirectoryUnusableError as error:
                unusable.append(error)
        if len(unusable) == len(directories):
            raise unusable[0]
        return directories

    async def _choose_broker_id(self, store: MetadataStore, stored: str | None) -> int:
        """The configured id; a profile's gives way to the one that the directory belongs to."""
        if stored is not None and not stored.isdecimal():
            raise BrokerStartError(
                f"the data directory's {META_PROPERTIES} says broker.id={stored}, which is no number"
            )
        configured = self.config.broker_id()
        if stored is not None and not self.config.is_set("broker.id"):
            configured = int(stored)
        return await choose_broker_id(
            store,
            configured=configured,
            stored=None if stored is None else int(stored),
            generate=self.config.bool("broker.id.generation.enable"),
            reserved_max=self.config.int("reserved.broker.max.id"),
        )

    def _open_logs(self, directories: list[LogDirectory], overrides: Mapping[str, Mapping[str, str]]) -> LogManager:
        """Open the directories. `overrides` are the topics' own options: recovery reads them, before the controller."""
        logs = LogManager(
            directories,
            default_config=self._topic_settings({}).log,
            config_for=lambda topic: self._topic_settings(overrides.get(topic, {})).log,
            broker_id=self.broker_id,
            cluster_id=self.cluster_id,
            draw_jitter_ms=lambda maximum: int.from_bytes(os.urandom(4)) % (maximum + 1),
            unique_name=lambda: os.urandom(16).hex(),
            producer_expiration_ms=lambda: self.config.int("producer.id.expiration.ms"),
        )
        began = self.clock.monotonic()
        threads = self.config.int("num.recovery.threads.per.data.dir")
        logs.open(self.clock.now_ms(), recovery_threads=threads, settles=False)
        count, took_ms = sum(1 for _ in logs.logs()), (self.clock.monotonic() - began) * 1000
        # The benches read it at debug.
        level = logging.INFO if took_ms >= SLOW_OPENING_MS else logging.DEBUG
        logger.log(level, "%d logs opened in %.0f ms", count, took_ms)

        async def close() -> None:
            logs.close(clean=True)

        self._undo.append(close)
        return logs

    def _group_coordinator(self) -> GroupCoordinator:
        from kwire.coordinators import group_coordinator

        groups = group_coordinator(self.services)
        self._undo.append(_stopping(groups.stop))
        return groups

    def _transaction_coordinator(self) -> TransactionCoordinator:
        from kwire.coordinators import transaction_coordinator

        transactions = transaction_coordinator(self.services)
        self._undo.append(_stopping(transactions.stop))
        return transactions

    def _share_services(self) -> ShareServices:
        from kwire.share_wiring import share_services

        share = share_services(self.services)
        self._undo.append(_stopping(share.stop))
        return share

    def _on_deleted(self, names: list[TopicPartition]) -> None:
        """What groups know of partitions that are gone is forgotten, though nobody has asked for a group yet.

        Deletions that the last run had begun are finished before anything is led: those wait for the end of the start.
        """
        if not self._ready.is_set():
            self._deleted_early += names
            return
        services = self.services
        if GROUP_METADATA_TOPIC in services.metadata.topics:
            services.groups.on_partitions_deleted(names)
        if SHARE_GROUP_STATE_TOPIC in services.metadata.topics:
            services.share.on_topics_deleted()

    def _topic_settings(self, overrides: Mapping[str, str]) -> TopicSettings:
        config = TopicConfig(self.config, overrides)
        return TopicSettings(LogConfig.from_options(config.get), config.get("min.insync.replicas"))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)

        async def cancel() -> None:
            task.cancel()
            # What it has begun itself, as a process that compacts, ends with it.
            await asyncio.gather(task, return_exceptions=True)

        self._undo.append(cancel)

    # --- listeners -------------------------------------------------------------------------------------------------

    async def _listen(self, dispatcher: Dispatcher) -> None:
        limits = ConnectionLimits.from_options(self.config.get)
        self.config.on_change(LIVE_OPTIONS, lambda changed: limits.read_live(self.config.get))
        quotas = ConnectionQuotas(limits)
        wait = self._gate(dispatcher)
        for endpoint in self.config.listeners():
            listener = Listener(
                endpoint.listener_name,
                endpoint.host,
                endpoint.port,
                wait,
                security_protocol=endpoint.security_protocol,
                quotas=quotas,
                clock=self.clock,
            )
            await listener.start()
            self._listeners.append(listener)
            self._undo.append(self._stopping(listener))

    def _stopping(self, listener: Listener) -> Callable[[], Awaitable[None]]:
        async def stop() -> None:
            await listener.stop(self.stop_grace_s)

        return stop

    def _gate(self, dispatcher: Dispatcher) -> RequestHandler:
        """A handler for requests that come while the broker starts: they wait until it is ready."""

        async def wait(frame: memoryview, connection: Connection) -> Reply:
            await self._ready.wait()
            reply = dispatcher(frame, connection)
            return await reply if isinstance(reply, Awaitable) else reply

        return wait

    def _registration(self) -> BrokerRegistration:
        advertised = self.config.advertised_listeners()
        endpoints = []
        for listener, endpoint in zip(self._listeners, self.config.listeners(), strict=True):
            told = advertised.get(endpoint.listener_name)
            host, port = (told.host, told.port) if told else (endpoint.host or "localhost", listener.port)
            endpoints.append(Endpoint(endpoint.listener_name, host, port, endpoint.security_protocol))
        rack = self.config.get("broker.rack")
        return BrokerRegistration(self.broker_id, tuple(endpoints), rack, -1, self.clock.now_ms())


def _closing(store: EmbeddedStore) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        store.close()

    return close


def _stopping(stop: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    async def stop_it() -> None:
        stop()

    return stop_it
