"""One controller at a time."""

from __future__ import annotations

import asyncio

from kwire.clock import ManualClock
from kwire.cluster.controller.claim import Claim, claim_controller
from kwire.cluster.embedded_store import EmbeddedStore
from kwire.cluster.store import EventKind, WatchEvent


def test_the_first_wins_and_the_next_is_told_when_it_goes() -> None:
    async def scenario() -> None:
        store = EmbeddedStore(None, ManualClock())
        first, second = store.session(), store.session()
        told: list[WatchEvent] = []
        assert await claim_controller(first, 1, 5, on_change=told.append) == Claim(1, 1, 1)
        assert await claim_controller(second, 2, 5, on_change=told.append) == Claim(1, -1, -1)
        assert store.tree.nodes["/controller_epoch"].data == b"1"
        await first.close()
        await asyncio.sleep(0)
        assert told == [WatchEvent(EventKind.DELETED, "/controller")]
        assert await claim_controller(second, 2, 6, on_change=told.append) == Claim(2, 2, 2)
        assert (await second.get("/controller"))[0] == (
            b'{"version":2,"brokerid":2,"timestamp":"6","kraftControllerEpoch":-1}'
        )

    asyncio.run(scenario())
