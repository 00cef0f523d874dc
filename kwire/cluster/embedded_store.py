"""The embedded metadata store: the tree in memory, its persistent nodes in one SQLite table in the data directory.

File `METADATA_FILE_NAME`, one table, one row per persistent node:

    node(path TEXT PRIMARY KEY, data BLOB, czxid, mzxid, pzxid, ctime_ms, mtime_ms, version, created_count)

`PRAGMA user_version` counts the openings; it is the upper half of every zxid given out since, so that zxids grow across
restarts although ephemeral nodes leave no trace in the file (their sessions cannot outlive the process, and no other
process can open the file). A multi is one SQLite transaction in WAL mode: after `kill -9` it is there as a whole or
not at all. `synchronous=NORMAL`: a power failure may take the last transactions with it, never half of one, which is
the promise that the logs beside it give for records.

Reads never touch SQLite. A failed write is taken back in memory and raised as `StoreUnavailableError`.
"""

from __future__ import annotations

import os
from asyncio import get_running_loop
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kwire.cluster.store import (
    ANY_VERSION,
    Create,
    Delete,
    Operation,
    OperationResult,
    SessionClosedError,
    SetData,
    Stat,
    StoreUnavailableError,
    WatchCallback,
    WatchEvent,
)
from kwire.cluster.tree import Node, Transaction, ZnodeTree
from kwire.cluster.watches import WatchTable

if TYPE_CHECKING:
    import sqlite3

    from kwire.clock import Clock

METADATA_FILE_NAME = "kwire-metadata.db"
"""Beside the partition directories; Kafka ignores files that it does not know."""

TABLE = """CREATE TABLE IF NOT EXISTS node (
    path TEXT PRIMARY KEY, data BLOB, czxid INTEGER NOT NULL, mzxid INTEGER NOT NULL, pzxid INTEGER NOT NULL,
    ctime_ms INTEGER NOT NULL, mtime_ms INTEGER NOT NULL, version INTEGER NOT NULL, created_count INTEGER NOT NULL
) WITHOUT ROWID"""
SELECT_ALL = "SELECT path, data, czxid, mzxid, pzxid, ctime_ms, mtime_ms, version, created_count FROM node"
REPLACE = "INSERT OR REPLACE INTO node VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
DELETE = "DELETE FROM node WHERE path = ?"


class EmbeddedStore:
    """One tree and its file; `session()` opens a session over it, one per broker of the process.

    `path` None keeps everything in memory. Raises StoreUnavailableError when the file cannot be read or another process
    holds it.
    """

    def __init__(self, path: str | os.PathLike[str] | None, clock: Clock) -> None:
        self.path = None if path is None else os.fspath(path)
        self.clock = clock
        self._sessions: dict[int, EmbeddedSession] = {}
        self._session_count = 0
        self._database: sqlite3.Connection | None = None
        self._opening = 1
        if self.path is None:
            self.tree = ZnodeTree(self._opening << 32)
        else:
            self.tree = self._open(self.path)

    def session(self) -> EmbeddedSession:
        """A new session."""
        self._session_count += 1
        session = EmbeddedSession(self, (self._opening << 32) + self._session_count)
        self._sessions[session.session_id] = session
        return session

    def close(self) -> None:
        """Close the file. Sessions that are still open are ended first, their ephemeral nodes with them."""
        sessions = list(self._sessions.values())
        for session in sessions:
            session.watches.clear()  # All of them first: nobody is left who could act on another's end.
        for session in sessions:
            session.end()
        if self._database is not None:
            self._database.close()
            self._database = None

    def run(self, operations: Sequence[Operation], session_id: int) -> list[OperationResult]:
        """One transaction: in memory, then in the file, then the watches. Raises StoreError, nothing changed then."""
        transaction = self.tree.run(operations, session_id, self.clock.now_ms())
        if transaction.dirty and self.path is not None:
            self._keep(transaction)
        if transaction.events:
            self._tell(transaction.events)
        return transaction.results

    def end_session(self, session_id: int) -> None:
        """Delete what the session owned and forget it."""
        self._sessions.pop(session_id, None)
        owned = self.tree.ephemerals.get(session_id)
        if owned:
            self.run([Delete(path) for path in sorted(owned)], session_id)
        self.tree.ephemerals.pop(session_id, None)

    def _open(self, path: str) -> ZnodeTree:
        import sqlite3  # 15 ms, and not needed by a broker in memory.

        try:
            # Autocommit: the only transactions are the ones begun by hand in `_keep`.
            # Any thread: a test may make the store in one and run the loop in another; one loop uses it.
            database = sqlite3.connect(path, isolation_level=None, timeout=0.1, check_same_thread=False)
            # Exclusive before WAL: the index of the log stays in this process's memory, no -shm file is needed.
            database.execute("PRAGMA locking_mode=EXCLUSIVE")
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=NORMAL")
            opening: int = database.execute("PRAGMA user_version").fetchone()[0] + 1
            database.execute("BEGIN IMMEDIATE")
            if opening == 1:
                database.execute(TABLE)
            database.execute(f"PRAGMA user_version={opening}")
            database.execute("COMMIT")
            rows = database.execute(SELECT_ALL).fetchall()
        except sqlite3.Error as error:
            raise StoreUnavailableError(path, f"cannot open the metadata store: {error}") from error
        self._database = database
        self._opening = opening
        tree = ZnodeTree(opening << 32)
        load = tree.load
        for row in rows:
            load(row[0], Node(*row[1:]))
        return tree

    def _keep(self, transaction: Transaction) -> None:
        """Write the rows that the transaction touched; on failure take it back and raise StoreUnavailableError."""
        database = self._database
        nodes = self.tree.nodes
        kept = []
        gone = []
        for path in transaction.dirty:
            node = nodes.get(path)
            if node is None:
                gone.append((path,))
            else:
                kept.append(
                    (
                        path,
                        node.data,
                        node.czxid,
                        node.mzxid,
                        node.pzxid,
                        node.ctime_ms,
                        node.mtime_ms,
                        node.version,
                        node.created_count,
                    )
                )
        try:
            if database is None:
                raise StoreUnavailableError(str(self.path), "the metadata store is closed")
            database.execute("BEGIN IMMEDIATE")
            try:
                if kept:
                    database.executemany(REPLACE, kept)
                if gone:
                    database.executemany(DELETE, gone)
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise
        except StoreUnavailableError:
            self.tree.undo(transaction)
            raise
        except Exception as error:
            self.tree.undo(transaction)
            raise StoreUnavailableError(str(self.path), f"cannot write the metadata store: {error}") from error

    def _tell(self, events: list[WatchEvent]) -> None:
        calls: list[tuple[WatchCallback, WatchEvent]] = []
        for session in self._sessions.values():
            if session.watching:
                calls += [(callback, event) for event in events for callback in session.watches.triggered(event)]
        if calls:
            call_soon = get_running_loop().call_soon
            for callback, event in calls:
                call_soon(callback, event)


class EmbeddedSession:
    """One session over an embedded store: implements `MetadataStore`; no call ever waits."""

    def __init__(self, store: EmbeddedStore, session_id: int) -> None:
        self._store = store
        self._tree = store.tree
        self._session_id = session_id
        self._closed = False
        self.watching = False
        self.watches = WatchTable()

    @property
    def session_id(self) -> int:
        """The owner written into this session's ephemeral nodes."""
        return self._session_id

    async def get(self, path: str, watch: WatchCallback | None = None) -> tuple[bytes | None, Stat]:
        """See `MetadataStore.get`."""
        self._must_be_open(path)
        node = self._tree.find(path)
        if watch is not None:
            self.watching = True
            self.watches.once_data(path, watch)
        return node.data, node.stat()

    async def get_many(self, paths: Sequence[str]) -> list[tuple[bytes | None, Stat] | None]:
        """See `MetadataStore.get_many`."""
        self._must_be_open("/")
        found = self._tree.nodes.get
        return [None if (node := found(path)) is None else (node.data, node.stat()) for path in paths]

    async def exists(self, path: str, watch: WatchCallback | None = None) -> Stat | None:
        """See `MetadataStore.exists`."""
        self._must_be_open(path)
        node = self._tree.nodes.get(path)
        if watch is not None:
            self.watching = True
            self.watches.once_data(path, watch)
        return None if node is None else node.stat()

    async def children(self, path: str, watch: WatchCallback | None = None) -> list[str]:
        """See `MetadataStore.children`."""
        self._must_be_open(path)
        names = list(self._tree.find(path).children)
        if watch is not None:
            self.watching = True
            self.watches.once_children(path, watch)
        return names

    async def create(
        self, path: str, data: bytes | None = None, *, ephemeral: bool = False, sequential: bool = False
    ) -> str:
        """See `MetadataStore.create`."""
        created = self._run([Create(path, data, ephemeral, sequential)])[0]
        assert isinstance(created, str)
        return created

    async def set(self, path: str, data: bytes | None, version: int = ANY_VERSION) -> Stat:
        """See `MetadataStore.set`."""
        stat = self._run([SetData(path, data, version)])[0]
        assert isinstance(stat, Stat)
        return stat

    async def delete(self, path: str, version: int = ANY_VERSION) -> None:
        """See `MetadataStore.delete`."""
        self._run([Delete(path, version)])

    async def multi(self, operations: Sequence[Operation]) -> list[OperationResult]:
        """See `MetadataStore.multi`."""
        return self._run(operations)

    def add_watch(self, path: str, callback: WatchCallback, *, recursive: bool = False) -> Callable[[], None]:
        """See `MetadataStore.add_watch`."""
        self._must_be_open(path)
        self.watching = True
        self.watches.add_persistent(path, callback, recursive=recursive)
        return lambda: self.watches.remove_persistent(path, callback)

    async def close(self) -> None:
        """See `MetadataStore.close`."""
        self.end()

    def end(self) -> None:
        """End the session as an expiry would: ephemeral nodes deleted, watches dropped; a second call does nothing."""
        if not self._closed:
            self._closed = True
            self.watching = False
            self.watches.clear()
            self._store.end_session(self._session_id)

    def _run(self, operations: Sequence[Operation]) -> list[OperationResult]:
        self._must_be_open("/")
        return self._store.run(operations, self._session_id)

    def _must_be_open(self, path: str) -> None:
        if self._closed:
            raise SessionClosedError(path, "the session has ended")
