"""The embedded store: what is there after a kill, what goes with a session, who is told."""

from __future__ import annotations

import asyncio
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kwire.clock import ManualClock
from kwire.cluster.embedded_store import EmbeddedStore
from kwire.cluster.store import (
    Check,
    Create,
    Delete,
    EventKind,
    MetadataStore,
    NodeExistsError,
    NoNodeError,
    SessionClosedError,
    SetData,
    StoreError,
    StoreUnavailableError,
    WatchEvent,
)
from tests.cluster.test_tree import picture, random_operation

CLOCK = ManualClock()


def killed_copy(store: EmbeddedStore, directory: Path) -> EmbeddedStore:
    """Another process's view after this one was killed: the files as they are now, nothing closed."""
    assert store.path is not None
    files = [file for file in Path(store.path).parent.iterdir() if file.is_file()]
    directory.mkdir()
    for file in files:
        shutil.copy(file, directory / file.name)
    return EmbeddedStore(directory / Path(store.path).name, CLOCK)


def test_a_session_is_a_metadata_store() -> None:
    store: MetadataStore = EmbeddedStore(None, CLOCK).session()
    assert store.session_id != 0


def test_persistent_nodes_survive_a_kill_and_ephemeral_ones_do_not(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = EmbeddedStore(tmp_path / "m.db", CLOCK)
        session = store.session()
        await session.create("/a", b"1")
        await session.create("/a/null")
        await session.create("/a/empty", b"")
        await session.create("/a/ephemeral", b"", ephemeral=True)
        await session.create("/a/gone", b"")
        await session.delete("/a/gone")
        await session.set("/a", b"2")
        stat = await session.exists("/a")
        after = killed_copy(store, tmp_path / "copy")
        again = after.session()
        assert sorted(await again.children("/a")) == ["empty", "null"]
        assert await again.get_many(["/a/null", "/a/gone", "/a/ephemeral"]) == [
            (None, await again.exists("/a/null")),
            None,
            None,
        ]
        data, stat_after = await again.get("/a")
        assert stat is not None
        assert (data, stat_after.version, stat_after.czxid) == (b"2", 1, stat.czxid)
        assert (await again.get("/a/empty"))[0] == b""
        store.close()
        after.close()

    asyncio.run(scenario())


def test_transaction_ids_and_sequence_numbers_grow_across_restarts(tmp_path: Path) -> None:
    async def scenario() -> None:
        latest, names = 0, []
        for _ in range(3):
            store = EmbeddedStore(tmp_path / "m.db", CLOCK)
            session = store.session()
            if await session.exists("/q") is None:
                await session.create("/q")
            names.append(await session.create("/q/n_", sequential=True))
            await session.create("/e", ephemeral=True)
            stat = await session.exists("/e")
            assert stat is not None
            assert stat.czxid > latest
            assert stat.ephemeral_owner == session.session_id
            latest = stat.czxid
            store.close()
        assert names == ["/q/n_0000000000", "/q/n_0000000001", "/q/n_0000000002"]

    asyncio.run(scenario())


@pytest.mark.parametrize("seed", range(4))
def test_every_acknowledged_transaction_is_there_after_a_kill(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    store = EmbeddedStore(tmp_path / "m.db", CLOCK)
    for round_number in range(4):
        session = store.session()
        for _ in range(60):
            operations = [random_operation(rng) for _ in range(rng.choice([1, 3]))]
            try:
                store.run(operations, session.session_id)
            except StoreError:
                continue
        expected = persistent(store)
        store, old = killed_copy(store, tmp_path / f"copy-{round_number}"), store
        old.close()
        assert persistent(store) == expected
    store.close()


def persistent(store: EmbeddedStore) -> dict[str, tuple[bytes | None, int, list[str]]]:
    nodes = store.tree.nodes
    kept = {path for path, node in nodes.items() if not node.ephemeral_owner}
    return {
        path: (
            nodes[path].data,
            nodes[path].version,
            sorted(name for name in nodes[path].children if f"{path.rstrip('/')}/{name}" in kept),
        )
        for path in kept
    }


def test_a_real_kill(tmp_path: Path) -> None:
    """A child process writes, says so, and is killed; all that it said is there."""
    program = (
        "import asyncio, sys, time\n"
        "from kwire.clock import SystemClock\n"
        "from kwire.cluster.embedded_store import EmbeddedStore\n"
        "async def main():\n"
        "    session = EmbeddedStore(sys.argv[1], SystemClock()).session()\n"
        "    await session.create('/brokers', ephemeral=True)\n"
        "    for number in range(100000):\n"
        "        await session.create(f'/n{number}', b'x' * 100)\n"
        "        print(number, flush=True)\n"
        "asyncio.run(main())\n"
    )
    path = tmp_path / "m.db"
    child = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    said = [child.stdout.readline() for _ in range(50)]
    child.kill()
    said += child.stdout.readlines()
    child.stdout.close()
    child.wait()
    store = EmbeddedStore(path, CLOCK)
    whole = [int(line) for line in said if line.endswith("\n")]
    assert len(whole) >= 50
    assert all(f"/n{number}" in store.tree.nodes for number in whole)
    assert "/brokers" not in store.tree.nodes
    store.close()


def test_a_session_takes_its_ephemeral_nodes_with_it() -> None:
    async def scenario() -> None:
        store = EmbeddedStore(None, CLOCK)
        first, second = store.session(), store.session()
        await first.create("/ids")
        await first.create("/ids/1", ephemeral=True)
        await second.create("/ids/2", ephemeral=True)
        told: list[WatchEvent] = []
        await second.children("/ids", told.append)
        await first.close()
        await first.close()
        await asyncio.sleep(0)
        assert await second.children("/ids") == ["2"]
        assert told == [WatchEvent(EventKind.CHILDREN_CHANGED, "/ids")]
        for action in (
            lambda: first.get("/ids"),
            lambda: first.get_many([]),
            lambda: first.exists("/ids"),
            lambda: first.children("/ids"),
            lambda: first.create("/x"),
            lambda: first.multi([]),
        ):
            with pytest.raises(SessionClosedError):
                await action()

    asyncio.run(scenario())


def test_watches_are_told_after_the_write_once() -> None:
    async def scenario() -> None:
        store = EmbeddedStore(None, CLOCK)
        writer, reader = store.session(), store.session()
        told: list[WatchEvent] = []
        assert await reader.exists("/a", told.append) is None
        await writer.create("/a", b"1")
        assert told == []  # Not inside the write.
        await asyncio.sleep(0)
        assert told == [WatchEvent(EventKind.CREATED, "/a")]
        await writer.set("/a", b"2")
        await asyncio.sleep(0)
        assert len(told) == 1
        await reader.get("/a", told.append)
        await writer.delete("/a")
        await asyncio.sleep(0)
        assert told[1:] == [WatchEvent(EventKind.DELETED, "/a")]
        with pytest.raises(NoNodeError):
            await reader.get("/a", told.append)
        with pytest.raises(NoNodeError):
            await reader.children("/a", told.append)

    asyncio.run(scenario())


def test_a_persistent_watch_until_it_is_cancelled() -> None:
    async def scenario() -> None:
        session = EmbeddedStore(None, CLOCK).session()
        told: list[WatchEvent] = []
        cancel = session.add_watch("/a", told.append, recursive=True)
        await session.multi([Create("/a"), Create("/a/b")])
        await session.set("/a/b", b"")
        await asyncio.sleep(0)
        cancel()
        await session.delete("/a/b")
        await asyncio.sleep(0)
        assert [(event.kind, event.path) for event in told] == [
            (EventKind.CREATED, "/a"),
            (EventKind.CREATED, "/a/b"),
            (EventKind.DATA_CHANGED, "/a/b"),
        ]

    asyncio.run(scenario())


def test_a_multi_is_all_or_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = EmbeddedStore(tmp_path / "m.db", CLOCK)
        session = store.session()
        await session.create("/a", b"1")
        before = picture(store.tree)
        with pytest.raises(NodeExistsError):
            await session.multi([Check("/a", 0), SetData("/a", b"2"), Create("/b"), Create("/a")])
        assert picture(store.tree) == before
        results = await session.multi([Check("/a", 0), SetData("/a", b"2"), Create("/b"), Delete("/b")])
        assert results == [None, await session.exists("/a"), "/b", None]
        copy = killed_copy(store, tmp_path / "copy")
        assert sorted(copy.tree.nodes) == ["/", "/a"]
        copy.close()
        store.close()

    asyncio.run(scenario())


def test_a_write_that_the_disk_refuses_changes_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = EmbeddedStore(tmp_path / "m.db", CLOCK)
        session = store.session()
        await session.create("/a", b"1")
        database = store._database
        assert database is not None
        pages = database.execute("PRAGMA page_count").fetchone()[0]
        database.execute(f"PRAGMA max_page_count={pages}")  # As full as a disk can be.
        before = picture(store.tree)
        with pytest.raises(StoreUnavailableError):
            await session.create("/big", b"x" * 1_000_000)
        assert picture(store.tree) == before
        database.execute("PRAGMA max_page_count=1000000")
        await session.create("/big", b"x" * 1_000_000)
        store.close()

    asyncio.run(scenario())


def test_a_second_opener_is_refused(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "m.db", CLOCK)
    with pytest.raises(StoreUnavailableError, match="cannot open"):
        EmbeddedStore(tmp_path / "m.db", CLOCK)
    store.close()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.db").write_bytes(b"this is not a database, whatever its name says" * 100)
    with pytest.raises(StoreUnavailableError):
        EmbeddedStore(tmp_path / "m.db", CLOCK)


def test_a_closed_store_takes_no_writes(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "m.db", CLOCK)
    store.close()
    with pytest.raises(StoreUnavailableError):
        store.run([Create("/a")], 1)
    assert "/a" not in store.tree.nodes
