"""Producer ids: never one twice."""

from __future__ import annotations

import asyncio

import pytest

from kwire.clock import ManualClock
from kwire.cluster.embedded_store import EmbeddedStore
from kwire.cluster.producer_ids import ProducerIdManager
from kwire.cluster.registration import ensure_persistent_paths
from kwire.errors import ErrorCode, KafkaError


def test_blocks_of_a_thousand() -> None:
    async def scenario() -> None:
        store = EmbeddedStore(None, ManualClock())
        session = store.session()
        await ensure_persistent_paths(session)
        one, two = ProducerIdManager(session, 1), ProducerIdManager(store.session(), 2)
        assert [await one.next_id() for _ in range(3)] == [0, 1, 2]
        assert await two.next_id() == 1000
        data, stat = await session.get("/latest_producer_id_block")
        assert data == b'{"version":1,"broker":2,"block_start":"1000","block_end":"1999"}'
        assert stat.version == 2
        ids = [await one.next_id() for _ in range(1000)]
        assert ids == [*range(3, 1000), 2000, 2001, 2002]
        assert await ProducerIdManager(session, 1).next_id() == 3000  # After a restart.

    asyncio.run(scenario())


def test_many_at_once() -> None:
    async def scenario() -> None:
        session = EmbeddedStore(None, ManualClock()).session()
        await ensure_persistent_paths(session)
        manager = ProducerIdManager(session, 1)
        ids = await asyncio.gather(*(manager.next_id() for _ in range(2500)))
        assert sorted(ids) == list(range(2500))

    asyncio.run(scenario())


def test_who_cannot_wait_has_a_block_sent_for() -> None:
    async def scenario() -> None:
        session = EmbeddedStore(None, ManualClock()).session()
        await ensure_persistent_paths(session)
        manager = ProducerIdManager(session, 1)
        for _ in range(2):
            with pytest.raises(KafkaError) as refused:
                manager.take()
            assert refused.value.code is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        await asyncio.sleep(0)
        assert [manager.take(), await manager.next_id()] == [0, 1]
        assert (await session.get("/latest_producer_id_block"))[1].version == 1

    asyncio.run(scenario())


def test_a_block_that_cannot_be_had_is_sent_for_again(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        store = EmbeddedStore(None, ManualClock())
        session = store.session()
        manager = ProducerIdManager(session, 1)
        with pytest.raises(KafkaError):
            manager.take()
        await asyncio.sleep(0)
        assert "no producer ids can be had" in caplog.text
        await ensure_persistent_paths(session)
        with pytest.raises(KafkaError):
            manager.take()
        await asyncio.sleep(0)
        assert manager.take() == 0

    asyncio.run(scenario())


def test_the_last_one() -> None:
    async def scenario() -> None:
        session = EmbeddedStore(None, ManualClock()).session()
        await ensure_persistent_paths(session)
        last = str(2**63 - 500)
        await session.set(
            "/latest_producer_id_block", f'{{"version":1,"broker":1,"block_start":"0","block_end":"{last}"}}'.encode()
        )
        with pytest.raises(KafkaError):
            await ProducerIdManager(session, 1).next_id()

    asyncio.run(scenario())
