"""The metadata store: a tree of znodes with ZooKeeper's semantics, as a Protocol.

Everything that brokers agree on lives in this tree, in the layout of Apache Kafka 3.9 in ZooKeeper mode. Two stores
serve it: the embedded one (SQLite in the data directory) and, for a cluster, ZooKeeper itself. Callers may rely on:

- every node has a data version that grows by one with each set; a write may name the version that it expects;
- every write has a transaction id (zxid) that only grows, also across restarts: a node's `czxid` is a broker's epoch;
- an ephemeral node goes away with the session that created it; it has no children;
- a sequential node gets ten digits, larger than those of every earlier node under the same parent;
- a multi is done as a whole or not at all;
- a watch is told of a change after it: once (`get`, `exists`, `children` with `watch=`) or each time (`add_watch`).

One `MetadataStore` object is one session. Paths are absolute, without a slash at the end; data is None ("null" in
ZooKeeper's tools) or bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Protocol

from kwire.named_tuple import NamedTuple

ANY_VERSION = -1
"""As an expected data version: whatever it is."""


class StoreError(Exception):
    """A write or read that the tree refuses; `path` names the node, `index` the operation inside a multi."""

    def __init__(self, path: str, detail: str = "") -> None:
        super().__init__(f"{path}: {detail}" if detail else path)
        self.path = path
        self.index = 0


class NoNodeError(StoreError):
    """The node, or the parent of a node to be created, does not exist."""


class NodeExistsError(StoreError):
    """A node to be created exists already."""


class BadVersionError(StoreError):
    """The node's data version is not the expected one: somebody else wrote in between."""


class NotEmptyError(StoreError):
    """A node to be deleted has children."""


class NoChildrenForEphemeralsError(StoreError):
    """The parent of a node to be created is ephemeral."""


class BadPathError(StoreError):
    """The path is not absolute, ends in a slash or has an empty part."""


class SessionClosedError(StoreError):
    """This session has ended; its ephemeral nodes are gone."""


class StoreUnavailableError(StoreError):
    """The store could not keep the write (disk full, file damaged or held by another process); nothing was changed."""


class Stat(NamedTuple):
    """ZooKeeper's stat of a node: transaction ids, times in ms, versions; `ephemeral_owner` is 0 if persistent."""

    czxid: int
    mzxid: int
    pzxid: int
    ctime_ms: int
    mtime_ms: int
    version: int
    cversion: int
    ephemeral_owner: int
    data_length: int
    children_count: int


class Create(NamedTuple):
    """Create a node; a sequential one gets ten digits behind `path`."""

    path: str
    data: bytes | None = None
    ephemeral: bool = False
    sequential: bool = False


class SetData(NamedTuple):
    """Replace a node's data if its data version is `version`."""

    path: str
    data: bytes | None
    version: int = ANY_VERSION


class Delete(NamedTuple):
    """Delete a node without children if its data version is `version`."""

    path: str
    version: int = ANY_VERSION


class Check(NamedTuple):
    """Refuse the multi unless the node's data version is `version`."""

    path: str
    version: int


Operation = Create | SetData | Delete | Check
OperationResult = str | Stat | None
"""Of a Create the path that it got, of a SetData the new stat, of Delete and Check None."""


class EventKind(IntEnum):
    """What happened to a watched node; ZooKeeper's numbers."""

    CREATED = 1
    DELETED = 2
    DATA_CHANGED = 3
    CHILDREN_CHANGED = 4


class WatchEvent(NamedTuple):
    """One change, told to a watch. A one-shot watch is used up by it."""

    kind: EventKind
    path: str


WatchCallback = Callable[[WatchEvent], None]
"""Called on the event loop, after the write and before the writer's answer is acted upon; must not raise."""


class MetadataStore(Protocol):
    """One session. Every method raises `SessionClosedError` after `close` and `StoreUnavailableError` on failure."""

    @property
    def session_id(self) -> int:
        """The owner written into this session's ephemeral nodes; never 0."""
        ...

    async def get(self, path: str, watch: WatchCallback | None = None) -> tuple[bytes | None, Stat]:
        """Data and stat. Raises NoNodeError. The watch is told of the next data change or the deletion."""
        ...

    async def get_many(self, paths: Sequence[str]) -> list[tuple[bytes | None, Stat] | None]:
        """Like `get` for each path, in order, None where there is no node; a remote store pipelines them."""
        ...

    async def exists(self, path: str, watch: WatchCallback | None = None) -> Stat | None:
        """The stat, or None. The watch is told of the next creation, data change or deletion."""
        ...

    async def children(self, path: str, watch: WatchCallback | None = None) -> list[str]:
        """Names (not paths), in no order. Raises NoNodeError. The watch is told of the next new or gone child."""
        ...

    async def create(
        self, path: str, data: bytes | None = None, *, ephemeral: bool = False, sequential: bool = False
    ) -> str:
        """Returns the path. Raises NodeExistsError, NoNodeError (no parent), NoChildrenForEphemeralsError."""
        ...

    async def set(self, path: str, data: bytes | None, version: int = ANY_VERSION) -> Stat:
        """The new stat. Raises NoNodeError, BadVersionError."""
        ...

    async def delete(self, path: str, version: int = ANY_VERSION) -> None:
        """Raises NoNodeError, BadVersionError, NotEmptyError."""
        ...

    async def multi(self, operations: Sequence[Operation]) -> list[OperationResult]:
        """All or nothing, in order; raises the first refusal, whose `index` says which operation it was."""
        ...

    def add_watch(self, path: str, callback: WatchCallback, *, recursive: bool = False) -> Callable[[], None]:
        """A persistent watch on the node (and, if recursive, all below); returns what cancels it."""
        ...

    async def close(self) -> None:
        """End the session: its ephemeral nodes are deleted, its watches dropped."""
        ...
