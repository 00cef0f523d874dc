"""The znodes of a cluster, carried between ZooKeeper and the embedded store: both hold Kafka 3.9's tree."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError

from kwire.clock import SystemClock
from kwire.cluster.embedded_store import METADATA_FILE_NAME, EmbeddedSession, EmbeddedStore
from kwire.cluster.store import NodeExistsError

Znodes = dict[str, bytes | None]
"""Data of each persistent node by path, parents first."""

logging.getLogger("kazoo").setLevel(logging.CRITICAL)  # A ZooKeeper that is ended is no news here.

STATE = re.compile(r"/brokers/topics/[^/]+/partitions/\d+/state")
EPOCH_STEP = 4


def from_zookeeper(port: int) -> Znodes:
    """All persistent nodes but ZooKeeper's own."""
    found: Znodes = {}
    client = KazooClient(f"127.0.0.1:{port}")
    client.start()

    def walk(path: str) -> None:
        try:
            data, stat = client.get(path)
        except NoNodeError:
            return  # An ephemeral one, whose session has ended since.
        if stat.ephemeralOwner:
            return
        if path != "/":
            found[path] = data
        for name in sorted(client.get_children(path)):
            if path != "/" or name != "zookeeper":
                walk(f"{path.rstrip('/')}/{name}")

    try:
        walk("/")
    finally:
        client.stop()
        client.close()
    return found


def to_zookeeper(port: int, nodes: Znodes) -> None:
    """Write the nodes; those that exist get the data."""
    client = KazooClient(f"127.0.0.1:{port}")
    client.start()
    try:
        for path, data in nodes.items():
            if client.exists(path):
                client.set(path, data)
            else:
                client.create(path, data)
    finally:
        client.stop()
        client.close()


def from_embedded(directory: Path) -> Znodes:
    """All nodes of the store in a data directory whose broker is down."""
    found: Znodes = {}

    async def walk(session: EmbeddedSession, path: str) -> None:
        if path != "/":
            found[path] = (await session.get(path))[0]
        for name in sorted(await session.children(path)):
            await walk(session, f"{path.rstrip('/')}/{name}")

    _in_store(directory, lambda session: walk(session, "/"))
    return found


def to_embedded(directory: Path, nodes: Znodes) -> None:
    """Write the nodes into the store of a data directory, which is made if it is not there."""

    async def write(session: EmbeddedSession) -> None:
        for path, data in nodes.items():
            try:
                await session.create(path, data)
            except NodeExistsError:
                await session.set(path, data)

    _in_store(directory, write)


def _in_store(directory: Path, work: Callable[[EmbeddedSession], object]) -> None:
    store = EmbeddedStore(directory / METADATA_FILE_NAME, SystemClock())
    try:
        asyncio.run(work(store.session()))  # type: ignore[arg-type]  # a coroutine function, said shortly
    finally:
        store.close()


def with_later_epochs(nodes: Znodes) -> Znodes:
    """The partition states alone, each under a later leader epoch, as after some elections."""
    changed: Znodes = {}
    for path, data in nodes.items():
        if STATE.fullmatch(path) and data:
            state = json.loads(data)
            state["leader_epoch"] += EPOCH_STEP
            changed[path] = json.dumps(state, separators=(",", ":")).encode()
    return changed
