"""How a broker enters the cluster."""

from __future__ import annotations

import asyncio

import pytest

from kwire.clock import ManualClock
from kwire.cluster.embedded_store import EmbeddedStore
from kwire.cluster.registration import (
    BrokerIdTakenError,
    InconsistentBrokerIdError,
    choose_broker_id,
    ensure_cluster_id,
    ensure_persistent_paths,
    register_broker,
)
from kwire.cluster.znodes import PERSISTENT_PATHS, BrokerRegistration
from kwire.config.endpoints import Endpoint

CLUSTER_ID = "DTZqBuOnQSeaE0ZUYaLX-Q"
REGISTRATION = BrokerRegistration(1, (Endpoint("PLAINTEXT", "h", 1, "PLAINTEXT"),), None, -1, 5)


def new_store() -> EmbeddedStore:
    return EmbeddedStore(None, ManualClock())


def test_the_persistent_paths_are_made_once() -> None:
    async def scenario() -> None:
        store = new_store()
        session = store.session()
        await session.create("/brokers")  # As after a start that was cut short by another program.
        await ensure_persistent_paths(session)
        assert set(PERSISTENT_PATHS) <= set(store.tree.nodes)
        assert all(store.tree.nodes[path].data is None for path in PERSISTENT_PATHS)
        zxid = store.tree.zxid
        await ensure_persistent_paths(session)
        assert store.tree.zxid == zxid

    asyncio.run(scenario())


def test_the_first_proposal_is_the_cluster_id() -> None:
    async def scenario() -> None:
        store = new_store()
        assert await ensure_cluster_id(store.session(), CLUSTER_ID) == CLUSTER_ID
        assert await ensure_cluster_id(store.session(), "another") == CLUSTER_ID
        assert store.tree.nodes["/cluster/id"].data == b'{"version":"1","id":"DTZqBuOnQSeaE0ZUYaLX-Q"}'

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("configured", "stored", "generate", "chosen"),
    [
        (7, None, True, 7),
        (7, 7, True, 7),
        (-1, 5, True, 5),
        (-1, 5, False, 5),
        (-1, None, True, 1001),
        (0, None, True, 0),
    ],
)
def test_the_brokers_id(configured: int, stored: int | None, generate: bool, chosen: int) -> None:
    async def scenario() -> None:
        session = new_store().session()
        await ensure_persistent_paths(session)
        choice = await choose_broker_id(
            session, configured=configured, stored=stored, generate=generate, reserved_max=1000
        )
        assert choice == chosen

    asyncio.run(scenario())


def test_generated_ids_differ() -> None:
    async def scenario() -> None:
        session = new_store().session()
        await ensure_persistent_paths(session)
        ids = [
            await choose_broker_id(session, configured=-1, stored=None, generate=True, reserved_max=1000)
            for _ in range(3)
        ]
        assert ids == [1001, 1002, 1003]

    asyncio.run(scenario())


@pytest.mark.parametrize(("configured", "stored", "generate"), [(7, 8, True), (-1, None, False)])
def test_ids_that_cannot_be(configured: int, stored: int | None, generate: bool) -> None:
    async def scenario() -> None:
        session = new_store().session()
        await ensure_persistent_paths(session)
        with pytest.raises(InconsistentBrokerIdError, match=r"broker\.id"):
            await choose_broker_id(session, configured=configured, stored=stored, generate=generate, reserved_max=1000)

    asyncio.run(scenario())


def test_a_broker_is_alive_for_as_long_as_its_session() -> None:
    async def scenario() -> None:
        store = new_store()
        first, second = store.session(), store.session()
        await ensure_persistent_paths(first)
        epoch = await register_broker(first, REGISTRATION)
        stat = await second.exists("/brokers/ids/1")
        assert stat is not None
        assert (stat.czxid, stat.version, stat.ephemeral_owner) == (epoch, 1, first.session_id)
        with pytest.raises(BrokerIdTakenError):
            await register_broker(second, REGISTRATION)
        await first.close()
        assert await register_broker(second, REGISTRATION) > epoch

    asyncio.run(scenario())
