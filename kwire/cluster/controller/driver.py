"""The controller as the rest of the broker sees it: decisions of the core, written to the store, then made true.

One decision at a time: it is written as one multi behind a check of the controller epoch (a deposed controller's write
fails as a whole), then the partitions get their leaders, then the metadata cache shows the result. So when a method
returns, clients may use what it made.
"""

from __future__ import annotations

import logging
from asyncio import Lock, Task, get_running_loop, shield, sleep
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from kwire.clock import Clock
from kwire.cluster.config_notices import purge_config_notices
from kwire.cluster.config_znodes import DEFAULT_ENTITY, ConfigEntityZnode
from kwire.cluster.controller import group_configs, loading
from kwire.cluster.controller.changes import (
    Change,
    EntityConfigChanged,
    apply,
    operations,
)
from kwire.cluster.controller.claim import claim_controller
from kwire.cluster.controller.config_alteration import (
    BROKERS,
    GROUPS,
    TOPICS,
    EntityAlteration,
    altered,
    effective_texts,
)
from kwire.cluster.controller.core import (
    ControllerCore,
    Decision,
    Entropy,
    NewPartitions,
    NewTopic,
    TopicResult,
)
from kwire.cluster.controller.entropy import SystemEntropy
from kwire.cluster.controller.internal_topics import internal_topic
from kwire.cluster.controller.leadership import (
    PartitionLeadership,
    assignments,
    assignments_of,
    without_leader,
)
from kwire.cluster.controller.topic_defaults import log_lowered_factors, topic_defaults
from kwire.cluster.metadata_cache import INTERNAL_TOPICS, MetadataCache, TopicImage
from kwire.cluster.store import (
    BadVersionError,
    Check,
    Create,
    MetadataStore,
    NodeExistsError,
    NoNodeError,
    SetData,
    StoreError,
    StoreUnavailableError,
    WatchEvent,
)
from kwire.cluster.znodes import (
    NO_LEADER,
    BrokerIdsZnode,
    ControllerEpochZnode,
    FeatureZnode,
)
from kwire.config.broker_config import BrokerConfig
from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition

logger = logging.getLogger("kwire.controller")

Result = TypeVar("Result")


class Controller:
    """Creates, grows and deletes topics, keeps partitions led. Raises NOT_CONTROLLER if another broker does that.

    `start` must have returned before anything else is called; the broker must be registered before.
    """

    def __init__(
        self,
        *,
        store: MetadataStore,
        cluster: MetadataCache,
        broker_id: int,
        options: BrokerConfig,
        leadership: PartitionLeadership,
        clock: Clock,
        entropy: Entropy | None = None,
    ) -> None:
        self.cluster = cluster
        self.epoch = 0
        self._core = ControllerCore(cluster)
        self._store = store
        self._broker_id = broker_id
        self._options = options
        self._leadership = leadership
        self._clock = clock
        self._entropy: Entropy = entropy or SystemEntropy()
        self._lock = Lock()
        self._epoch_version = -1
        self._tasks: set[Task[None]] = set()
        self._stopping = False

    @property
    def is_active(self) -> bool:
        """Whether this broker is the controller."""
        return self.cluster.controller_id == self._broker_id

    async def start(self) -> None:
        """Load the cluster, run for controller and, as such, lead what is to be led and finish deletions."""
        async with self._lock:
            await self._apply_broker_config()
            await self._elect()

    async def stop(self) -> None:
        """Take no more part; `/controller` goes with the session."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()

    async def create_topics(self, topics: Sequence[NewTopic], *, validate_only: bool = False) -> list[TopicResult]:
        """One result per distinct name, in order. A created topic is led and shown when this returns."""

        async def act() -> list[TopicResult]:
            defaults = topic_defaults(self._options)
            decision = self._core.create_topics(topics, defaults, self._entropy)
            log_lowered_factors(topics, defaults, decision.results)
            return await self._carry_out(decision, validate_only)

        return await self._in_turn(act)

    async def create_partitions(
        self, topics: Sequence[NewPartitions], *, validate_only: bool = False
    ) -> list[TopicResult]:
        """One result per distinct name, in order. New partitions are led and shown when this returns."""

        async def act() -> list[TopicResult]:
            return await self._carry_out(self._core.create_partitions(topics), validate_only)

        return await self._in_turn(act)

    async def delete_topics(self, names: Sequence[str], ids: Mapping[str, bytes] | None = None) -> list[TopicResult]:
        """One result per distinct name, in order. Deletions are queued in the store first: a restart ends them."""

        async def act() -> list[TopicResult]:
            decision = self._core.delete_topics(names, ids)
            await self._write(decision.changes)
            for result in decision.results:
                if result.topic is not None:
                    self.cluster.remove_topic(result.name)
                    self._core.deleting[result.name] = result.topic
            for result in decision.results:
                if result.topic is not None:
                    await self._finish_deletion(result.name)
            return decision.results

        return await self._in_turn(act)

    async def auto_create(self, names: Sequence[str]) -> list[TopicResult]:
        """Create topics that a client asked about, with the broker's defaults; internal ones with Kafka's settings."""
        results = await self.create_topics([self._automatic_topic(name) for name in names])
        for index, result in enumerate(results):
            if result.error is not None:
                existing = self.cluster.topics.get(result.name)
                if existing is not None:  # Somebody else was faster.
                    results[index] = TopicResult(result.name, None, existing)
                else:
                    logger.warning("topic %s is not created automatically: %s", result.name, result.error.message)
        return results

    async def ensure_internal_topic(self, name: str) -> TopicImage:
        """`__consumer_offsets` or `__transaction_state`, created if need be. Raises KafkaError where it cannot be."""
        existing = self.cluster.topics.get(name)
        if existing is not None:
            return existing
        (result,) = await self.auto_create([name])
        if result.error is not None:
            raise result.error
        assert result.topic is not None
        return result.topic

    async def alter_configs(
        self, alterations: Sequence[EntityAlteration], *, validate_only: bool = False
    ) -> list[KafkaError | None]:
        """Why not, or None, for each entity in order. A change is in force here when this returns."""

        async def act() -> list[KafkaError | None]:
            return [await self._alter_config(alteration, validate_only) for alteration in alterations]

        return await self._in_turn(act)

    # --- carrying out ----------------------------------------------------------------------------------------------

    async def _in_turn(self, act: Callable[[], Awaitable[Result]]) -> Result:
        """One decision after the other, each to its end: a client that leaves must not stop it half-way."""

        async def turn() -> Result:
            async with self._lock:
                if not self.is_active:
                    raise KafkaError(ErrorCode.NOT_CONTROLLER, "This broker is not the controller.")
                return await act()

        return await shield(turn())

    async def _carry_out(self, decision: Decision, validate_only: bool) -> list[TopicResult]:
        if decision.changes and not validate_only:
            await self._perform(decision.changes)
        return decision.results

    async def _perform(self, changes: Sequence[Change]) -> None:
        """Write, then lead, then show."""
        await self._write(changes)
        try:
            await self._leadership.apply([assignment for change in changes for assignment in assignments(change)])
        finally:  # What is written is so; a partition whose log failed here is offline, not unknown.
            for change in changes:
                apply(change, self.cluster)
        for change in changes:
            if isinstance(change, EntityConfigChanged):
                if change.entity_type == TOPICS:
                    self._leadership.reconfigure(change.name, change.config)
                elif change.entity_type == BROKERS:
                    await self._apply_broker_config()

    async def _write(self, changes: Iterable[Change]) -> None:
        """All changes or none. Raises NOT_CONTROLLER when deposed, KAFKA_STORAGE_ERROR when the store fails."""
        written = [operation for change in changes for operation in operations(change, self.epoch)]
        if not written:
            return
        fence = Check(ControllerEpochZnode.PATH, self._epoch_version)
        while True:
            try:
                await self._store.multi([fence, *written])
                return
            except NodeExistsError as error:
                left_over = written[error.index - 1]
                # Settings may outlive their topic where a broker died between the two writes: take them over.
                if not (isinstance(left_over, Create) and left_over.path.startswith(ConfigEntityZnode.type_path(""))):
                    raise self._failed(error) from error
                written[error.index - 1] = SetData(left_over.path, left_over.data)
            except NoNodeError as error:
                lacking = written[error.index - 1]
                if not (isinstance(lacking, SetData) and lacking.path.startswith(ConfigEntityZnode.type_path(""))):
                    raise self._failed(error) from error
                written[error.index - 1] = Create(lacking.path, lacking.data)
            except StoreError as error:
                raise self._failed(error) from error

    def _failed(self, error: StoreError) -> KafkaError:
        if isinstance(error, BadVersionError) and error.path == ControllerEpochZnode.PATH:
            logger.warning("another broker has become the controller")
            self.cluster.controller_id = NO_LEADER
            return KafkaError(ErrorCode.NOT_CONTROLLER, "This broker is not the controller any more.")
        logger.error("the metadata store refused a write: %s", error)
        unavailable = isinstance(error, StoreUnavailableError)
        code = ErrorCode.KAFKA_STORAGE_ERROR if unavailable else ErrorCode.UNKNOWN_SERVER_ERROR
        return KafkaError(code, "The metadata store refused the write.")

    async def _finish_deletion(self, name: str) -> None:
        topic = self._core.deleting[name]
        if topic is not None:
            stopped = [TopicPartition(name, partition.index) for partition in topic.partitions]
            await self._leadership.stop(stopped, delete=True)
        await self._write(self._core.topic_stopped(name))
        del self._core.deleting[name]

    async def _alter_config(self, alteration: EntityAlteration, validate_only: bool) -> KafkaError | None:
        await sleep(0)  # One request may name thousands of topics: others get their turn.
        entity_type, name = alteration.entity_type, alteration.entity_name
        path = (
            group_configs.group_config_path(name)
            if entity_type == GROUPS
            else ConfigEntityZnode.path(entity_type, name)
        )
        try:
            topic = self.cluster.topics.get(name) if entity_type == TOPICS else None
            if entity_type == TOPICS and topic is None:
                raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"There is no topic '{name}'.")
            (node,) = await self._store.get_many([path])
            before = ConfigEntityZnode.decode(path, node[0] if node else None)
            after = altered(before, alteration, effective_texts(self._options, topic))
            if entity_type == BROKERS and name == DEFAULT_ENTITY:
                self._options.check_dynamic(cluster=after)
            elif entity_type == BROKERS:
                self._options.check_dynamic(per_broker=after)
            elif entity_type == GROUPS:
                group_configs.check_group_config(after, self._options)
                await group_configs.ensure_group_configs(self._store)
            if not validate_only and (after != before or node is None):
                await self._perform([EntityConfigChanged(entity_type, name, after, node is not None)])
                await purge_config_notices(self._store, self._clock.now_ms())
        except KafkaError as error:
            return error
        return None

    async def _apply_broker_config(self) -> None:
        """Bring this broker's dynamic options, and what topics take over from them, in force."""
        per_broker, defaults = await loading.load_broker_configs(self._store, self._broker_id)
        self._options.apply_dynamic(per_broker, defaults)
        for topic in self.cluster.topics.values():
            self._leadership.reconfigure(topic.name, topic.overrides)

    # --- election --------------------------------------------------------------------------------------------------

    async def _elect(self) -> None:
        claim = await claim_controller(
            self._store, self._broker_id, self._clock.now_ms(), on_change=self._on_controller_change
        )
        self.cluster.controller_id = claim.controller_id
        if claim.controller_id != self._broker_id:
            await self._load()
            return
        self.epoch = claim.epoch
        self._epoch_version = claim.epoch_version
        await self._take_over()

    async def _load(self) -> None:
        cluster = self.cluster
        cluster.set_brokers(await loading.load_brokers(self._store))
        deleting = await loading.load_deletions(self._store)
        topics = {topic.name: topic for topic in await loading.load_topics(self._store)}
        self._core.deleting = {name: topics.pop(name, None) for name in deleting}
        for name in [name for name in cluster.topics if name not in topics]:
            cluster.remove_topic(name)
        for topic in topics.values():
            cluster.put_topic(topic)
        cluster.group_overrides = await group_configs.load_group_overrides(self._store)

    async def _take_over(self) -> None:
        """The first acts of a controller: finish deletions, give every partition the leader that it can have."""
        if await self._store.exists(FeatureZnode.PATH) is None:
            await self._store.create(FeatureZnode.PATH, FeatureZnode.encode())
        await self._store.children(BrokerIdsZnode.PATH, self._on_brokers_change)
        await self._load()
        for name, topic in list(self._core.deleting.items()):
            if topic is not None:  # Without a leader, but with its logs, which go in the next step.
                gone = [without_leader(partition) for partition in topic.partitions]
                await self._leadership.apply(assignments_of(topic, gone, is_new=False))
            await self._finish_deletion(name)
        changes = self._core.brokers_changed(
            self.cluster.brokers.values(), unclean_by_default=self._unclean_by_default()
        )
        await self._write(changes)
        for change in changes:
            apply(change, self.cluster)
        every = self.cluster.topics.values()
        await self._leadership.apply(
            [assignment for topic in every for assignment in assignments_of(topic, topic.partitions, is_new=False)]
        )

    def _on_controller_change(self, event: WatchEvent) -> None:
        self._spawn(self._elect)

    def _on_brokers_change(self, event: WatchEvent) -> None:
        self._spawn(self._follow_brokers)

    async def _follow_brokers(self) -> None:
        if not self.is_active:
            return
        await self._store.children(BrokerIdsZnode.PATH, self._on_brokers_change)
        live = await loading.load_brokers(self._store)
        changes = self._core.brokers_changed(live, unclean_by_default=self._unclean_by_default())
        self.cluster.set_brokers(live)
        if changes:
            await self._perform(changes)

    def _spawn(self, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do something after a watch has fired, in turn with everything else."""

        async def in_turn() -> None:
            async with self._lock:
                try:
                    await act()
                except (KafkaError, StoreError) as error:
                    logger.error("after a change in the metadata store: %s", error)
                except Exception:  # Nobody waits for this task who could be told.
                    logger.exception("after a change in the metadata store")

        if not self._stopping:
            task = get_running_loop().create_task(in_turn())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    # --- settings --------------------------------------------------------------------------------------------------

    def _unclean_by_default(self) -> bool:
        return bool(self._options.get("unclean.leader.election.enable"))

    def _automatic_topic(self, name: str) -> NewTopic:
        if name not in INTERNAL_TOPICS:
            return NewTopic(name)
        return internal_topic(name, self._options)
