"""A cluster of one process for tests: a store in memory, a controller over it, replicas that only remember."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from kwire.clock import ManualClock
from kwire.cluster.controller.driver import Controller
from kwire.cluster.controller.leadership import PartitionAssignment
from kwire.cluster.embedded_store import EmbeddedSession, EmbeddedStore
from kwire.cluster.metadata_cache import MetadataCache
from kwire.cluster.registration import ensure_cluster_id, ensure_persistent_paths, register_broker
from kwire.cluster.znodes import BrokerRegistration
from kwire.config.broker_config import BrokerConfig
from kwire.config.endpoints import Endpoint
from kwire.ids import TopicPartition

CLUSTER_ID = "DTZqBuOnQSeaE0ZUYaLX-Q"


class RememberedLeadership:
    """Orders of the controller, in order; `failing` makes the next ones raise."""

    def __init__(self) -> None:
        self.applied: list[PartitionAssignment] = []
        self.stopped: list[TopicPartition] = []
        self.settings: dict[str, dict[str, str]] = {}
        self.failing = False

    async def apply(self, assignments: Iterable[PartitionAssignment]) -> None:
        if self.failing:
            raise OSError("no space left on device")
        self.applied += assignments

    async def stop(self, names: Iterable[TopicPartition], *, delete: bool) -> None:
        if self.failing:
            raise OSError("input/output error")
        assert delete
        self.stopped += names

    def reconfigure(self, topic: str, overrides: Mapping[str, str]) -> None:
        self.settings[topic] = dict(overrides)


class CountingEntropy:
    """Topic ids 1, 2, 3...; placement starts at the first broker."""

    def __init__(self) -> None:
        self.ids = 0

    def topic_id(self) -> bytes:
        self.ids += 1
        return self.ids.to_bytes(16, "big")

    def below(self, bound: int) -> int:
        return 0


class Node:
    """One broker's share of the cluster."""

    def __init__(
        self,
        options: Mapping[str, str] | None = None,
        *,
        broker_id: int = 1,
        store: EmbeddedStore | None = None,
        profile: str = "dev",
    ) -> None:
        self.clock = ManualClock()
        self.broker_id = broker_id
        self.store = store or EmbeddedStore(None, self.clock)
        self.session: EmbeddedSession = self.store.session()
        self.cache = MetadataCache()
        self.cache.cluster_id = CLUSTER_ID
        self.leadership = RememberedLeadership()
        self.options = BrokerConfig({"broker.id": str(broker_id), **(options or {})}, profile=profile)
        self.controller = Controller(
            store=self.session,
            cluster=self.cache,
            broker_id=broker_id,
            options=self.options,
            leadership=self.leadership,
            clock=self.clock,
            entropy=CountingEntropy(),
        )

    @classmethod
    def at(cls, path: Path) -> Node:
        """Over a file."""
        return cls(store=EmbeddedStore(path, ManualClock()))

    async def start(self, *, rack: str | None = None) -> Node:
        await ensure_persistent_paths(self.session)
        await ensure_cluster_id(self.session, CLUSTER_ID)
        endpoint = Endpoint("PLAINTEXT", f"host{self.broker_id}", 9090 + self.broker_id, "PLAINTEXT")
        await register_broker(
            self.session, BrokerRegistration(self.broker_id, (endpoint,), rack, -1, self.clock.now_ms())
        )
        await self.controller.start()
        return self
