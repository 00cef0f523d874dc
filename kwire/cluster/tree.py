"""The tree itself, in memory: nodes, versions, and transactions that can be taken back.

No I/O and no clock. The embedded store keeps its whole tree here (reads are dictionary look-ups) and writes the nodes
that a transaction touched to its file; if that fails it takes the transaction back.
"""

from __future__ import annotations

from collections.abc import Sequence

from kwire.cluster.store import (
    ANY_VERSION,
    BadPathError,
    BadVersionError,
    Create,
    Delete,
    EventKind,
    NoChildrenForEphemeralsError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    Operation,
    OperationResult,
    SetData,
    Stat,
    StoreError,
    WatchEvent,
)
from kwire.named_tuple import NamedTuple

ROOT = "/"


class Node:
    """One znode. `created_count` counts the children ever created: it numbers sequential ones, as in ZooKeeper."""

    __slots__ = (
        "children",
        "created_count",
        "ctime_ms",
        "czxid",
        "data",
        "ephemeral_owner",
        "mtime_ms",
        "mzxid",
        "pzxid",
        "version",
    )

    def __init__(
        self,
        data: bytes | None,
        czxid: int,
        mzxid: int,
        pzxid: int,
        ctime_ms: int,
        mtime_ms: int,
        version: int,
        created_count: int,
        ephemeral_owner: int = 0,
    ) -> None:
        self.data = data
        self.czxid = czxid
        self.mzxid = mzxid
        self.pzxid = pzxid
        self.ctime_ms = ctime_ms
        self.mtime_ms = mtime_ms
        self.version = version
        self.created_count = created_count
        self.ephemeral_owner = ephemeral_owner
        self.children: set[str] = set()

    def stat(self) -> Stat:
        """The node's stat; `cversion` counts creations and deletions of children."""
        children_count = len(self.children)
        return Stat(
            self.czxid,
            self.mzxid,
            self.pzxid,
            self.ctime_ms,
            self.mtime_ms,
            self.version,
            self.created_count * 2 - children_count,
            self.ephemeral_owner,
            0 if self.data is None else len(self.data),
            children_count,
        )


class DataBefore(NamedTuple):
    """What a SetData replaced."""

    node: Node
    data: bytes | None
    mzxid: int
    mtime_ms: int
    version: int


class ParentBefore(NamedTuple):
    """A Create or Delete of `path`, and its parent's counters before it."""

    path: str
    node: Node
    parent: Node
    pzxid: int
    created_count: int


class Transaction:
    """What one multi did: results for the caller, events for watches, paths whose stored row is out of date."""

    __slots__ = ("dirty", "events", "results", "undo_log", "zxid")

    def __init__(self, zxid: int) -> None:
        self.zxid = zxid
        self.results: list[OperationResult] = []
        self.events: list[WatchEvent] = []
        self.dirty: dict[str, None] = {}
        self.undo_log: list[DataBefore | ParentBefore] = []


def split_path(path: str) -> tuple[str, str]:
    """(parent path, name). Raises BadPathError."""
    parent, slash, name = path.rpartition("/")
    if not slash or not name or "//" in path or (parent and parent[0] != "/"):
        raise BadPathError(path, "not an absolute path of named parts")
    return parent or ROOT, name


class ZnodeTree:
    """All nodes by path. Only `run` and `undo` change it."""

    def __init__(self, first_zxid: int) -> None:
        self.zxid = first_zxid
        self.nodes: dict[str, Node] = {ROOT: Node(None, 0, 0, 0, 0, 0, 0, 0)}
        self.ephemerals: dict[int, set[str]] = {}

    def load(self, path: str, node: Node) -> None:
        """Put in one stored node; parents may come after their children."""
        known = self.nodes.get(path)
        if known is not None:
            node.children = known.children
        self.nodes[path] = node
        if path != ROOT:
            parent_path, _, name = path.rpartition("/")
            parent = self.nodes.get(parent_path or ROOT)
            if parent is None:
                parent = self.nodes[parent_path] = Node(None, 0, 0, 0, 0, 0, 0, 0)
            parent.children.add(name)

    def find(self, path: str) -> Node:
        """Raises NoNodeError."""
        node = self.nodes.get(path)
        if node is None:
            raise NoNodeError(path, "no such node")
        return node

    def run(self, operations: Sequence[Operation], session_id: int, now_ms: int) -> Transaction:
        """Do all operations under one new zxid, or none and raise what refused them."""
        transaction = Transaction(self.zxid + 1)
        for index, operation in enumerate(operations):
            try:
                transaction.results.append(self._run_one(operation, transaction, session_id, now_ms))
            except StoreError as error:
                error.index = index
                self.undo(transaction)
                raise
        self.zxid += 1
        return transaction

    def undo(self, transaction: Transaction) -> None:
        """Take back a transaction that has just been run; its zxid stays used."""
        for entry in reversed(transaction.undo_log):
            if isinstance(entry, DataBefore):
                node = entry.node
                _, node.data, node.mzxid, node.mtime_ms, node.version = entry
                continue
            path, node, parent, pzxid, created_count = entry
            name = path[path.rindex("/") + 1 :]
            if path in self.nodes:
                del self.nodes[path]
                parent.children.discard(name)
                self._forget_owner(path, node)
            else:
                self.nodes[path] = node
                parent.children.add(name)
                self._remember_owner(path, node)
            parent.pzxid = pzxid
            parent.created_count = created_count

    def _run_one(self, operation: Operation, transaction: Transaction, session_id: int, now_ms: int) -> OperationResult:
        if isinstance(operation, Create):
            return self._create(operation, transaction, session_id, now_ms)
        path = operation.path
        node = self.find(path)
        if operation.version not in (ANY_VERSION, node.version):
            raise BadVersionError(path, f"data version is {node.version}, not {operation.version}")
        if isinstance(operation, SetData):
            transaction.undo_log.append(DataBefore(node, node.data, node.mzxid, node.mtime_ms, node.version))
            node.data = operation.data
            node.mzxid = transaction.zxid
            node.mtime_ms = now_ms
            node.version += 1
            if not node.ephemeral_owner:
                transaction.dirty[path] = None
            transaction.events.append(WatchEvent(EventKind.DATA_CHANGED, path))
            return node.stat()
        if isinstance(operation, Delete):
            self._delete(path, node, transaction)
        return None

    def _create(self, operation: Create, transaction: Transaction, session_id: int, now_ms: int) -> str:
        path, data, ephemeral, sequential = operation
        parent_path, name = split_path(path + "0") if sequential and path.endswith("/") else split_path(path)
        parent = self.nodes.get(parent_path)
        if parent is None:
            raise NoNodeError(path, "no parent")
        if parent.ephemeral_owner:
            raise NoChildrenForEphemeralsError(path, "the parent is ephemeral")
        if sequential:
            path = f"{path}{parent.created_count:010d}"
            name = path[path.rindex("/") + 1 :]
        if path in self.nodes:
            raise NodeExistsError(path, "exists")
        zxid = transaction.zxid
        node = Node(data, zxid, zxid, zxid, now_ms, now_ms, 0, 0, session_id if ephemeral else 0)
        transaction.undo_log.append(ParentBefore(path, node, parent, parent.pzxid, parent.created_count))
        self.nodes[path] = node
        parent.children.add(name)
        parent.created_count += 1
        parent.pzxid = zxid
        if ephemeral:
            self._remember_owner(path, node)
        else:
            transaction.dirty[path] = None
            transaction.dirty[parent_path] = None
        transaction.events.append(WatchEvent(EventKind.CREATED, path))
        transaction.events.append(WatchEvent(EventKind.CHILDREN_CHANGED, parent_path))
        return path

    def _delete(self, path: str, node: Node, transaction: Transaction) -> None:
        if node.children:
            raise NotEmptyError(path, f"has {len(node.children)} children")
        parent_path, name = split_path(path)
        parent = self.nodes[parent_path]
        transaction.undo_log.append(ParentBefore(path, node, parent, parent.pzxid, parent.created_count))
        del self.nodes[path]
        parent.children.discard(name)
        parent.pzxid = transaction.zxid
        if node.ephemeral_owner:
            self._forget_owner(path, node)
        else:
            transaction.dirty[path] = None
            transaction.dirty[parent_path] = None
        transaction.events.append(WatchEvent(EventKind.DELETED, path))
        transaction.events.append(WatchEvent(EventKind.CHILDREN_CHANGED, parent_path))

    def _remember_owner(self, path: str, node: Node) -> None:
        if node.ephemeral_owner:
            self.ephemerals.setdefault(node.ephemeral_owner, set()).add(path)

    def _forget_owner(self, path: str, node: Node) -> None:
        if node.ephemeral_owner:
            self.ephemerals[node.ephemeral_owner].discard(path)
