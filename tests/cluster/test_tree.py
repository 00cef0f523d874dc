"""The tree against a plain model: what seeded streams of operations may and may not do."""

from __future__ import annotations

import random

import pytest

from kwire.cluster.store import (
    BadPathError,
    BadVersionError,
    Check,
    Create,
    Delete,
    EventKind,
    NoChildrenForEphemeralsError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    Operation,
    SetData,
    StoreError,
    WatchEvent,
)
from kwire.cluster.tree import ZnodeTree, split_path

NOW = 1_700_000_000_000


def tree_with(*paths: str) -> ZnodeTree:
    tree = ZnodeTree(0)
    for path in paths:
        tree.run([Create(path)], 1, NOW)
    return tree


def picture(tree: ZnodeTree) -> dict[str, object]:
    """All that can be seen of a tree."""
    return {path: (node.data, node.stat(), sorted(node.children)) for path, node in tree.nodes.items()}


class DictModel:
    """The same rules, written down as simply as possible: path -> (data, version, owner), children by prefix."""

    def __init__(self) -> None:
        self.nodes: dict[str, tuple[bytes | None, int, int]] = {"/": (None, 0, 0)}
        self.created_count: dict[str, int] = {"/": 0}

    def run(self, operations: list[Operation], session: int) -> type[StoreError] | None:
        nodes, counts = dict(self.nodes), dict(self.created_count)
        for operation in operations:
            error = self._one(operation, session)
            if error is not None:
                self.nodes, self.created_count = nodes, counts
                return error
        return None

    def _one(self, operation: Operation, session: int) -> type[StoreError] | None:
        path = operation.path
        parent = path.rpartition("/")[0] or "/"
        if isinstance(operation, Create):
            if parent not in self.nodes:
                return NoNodeError
            if self.nodes[parent][2]:
                return NoChildrenForEphemeralsError
            if operation.sequential:
                path += f"{self.created_count[parent]:010d}"
            if path in self.nodes:
                return NodeExistsError
            self.nodes[path] = (operation.data, 0, session if operation.ephemeral else 0)
            self.created_count[path] = 0
            self.created_count[parent] += 1
            return None
        if path not in self.nodes:
            return NoNodeError
        _, version, owner = self.nodes[path]
        if operation.version not in (-1, version):
            return BadVersionError
        if isinstance(operation, SetData):
            self.nodes[path] = (operation.data, version + 1, owner)
        elif isinstance(operation, Delete):
            if any(other.startswith(path + "/") for other in self.nodes):
                return NotEmptyError
            del self.nodes[path], self.created_count[path]
        return None


def random_operation(rng: random.Random) -> Operation:
    path = "".join(f"/{rng.choice('abc')}" for _ in range(rng.randint(1, 3)))
    version = rng.choice([-1, -1, 0, 1, 2])
    kind = rng.randrange(6)
    if kind <= 2:
        data = rng.choice([None, b"", b"x" * rng.randrange(5)])
        return Create(path, data, ephemeral=rng.random() < 0.2, sequential=rng.random() < 0.2)
    if kind == 3:
        return SetData(path, rng.choice([None, b"new"]), version)
    return Delete(path, version) if kind == 4 else Check(path, version)


@pytest.mark.parametrize("seed", range(20))
def test_the_tree_does_what_a_plain_model_does(seed: int) -> None:
    rng = random.Random(seed)
    tree, model = ZnodeTree(0), DictModel()
    for _ in range(300):
        operations = [random_operation(rng) for _ in range(rng.choice([1, 1, 1, 2, 4]))]
        session = rng.choice([1, 2])
        before, zxid = picture(tree), tree.zxid
        refused: type[StoreError] | None = None
        try:
            tree.run(operations, session, NOW)
        except StoreError as error:
            refused = type(error)
        assert refused is model.run(operations, session)
        if refused is not None:
            assert picture(tree) == before
            assert tree.zxid == zxid
        seen = {path: (node.data, node.version, node.ephemeral_owner) for path, node in tree.nodes.items()}
        assert seen == model.nodes
        assert {path: node.created_count for path, node in tree.nodes.items()} == model.created_count
        for path, node in tree.nodes.items():
            below = {other for other in model.nodes if other != "/" and (other.rpartition("/")[0] or "/") == path}
            assert {f"{path.rstrip('/')}/{name}" for name in node.children} == below
        for owner, paths in tree.ephemerals.items():
            assert paths == {path for path, node in tree.nodes.items() if node.ephemeral_owner == owner}


@pytest.mark.parametrize("seed", range(5))
def test_a_transaction_can_be_taken_back(seed: int) -> None:
    rng = random.Random(seed)
    tree = ZnodeTree(0)
    for _ in range(200):
        before = picture(tree)
        try:
            transaction = tree.run([random_operation(rng) for _ in range(3)], 1, NOW)
        except StoreError:
            continue
        if rng.random() < 0.5:
            tree.undo(transaction)
            assert picture(tree) == before


def test_versions_and_transaction_ids_grow() -> None:
    tree = tree_with("/a")
    created = tree.nodes["/a"].stat()
    (after,) = tree.run([SetData("/a", b"1", 0)], 1, NOW + 5).results
    assert after == created._replace(mzxid=created.czxid + 1, version=1, mtime_ms=NOW + 5, data_length=1)
    with pytest.raises(BadVersionError):
        tree.run([SetData("/a", b"2", 0)], 1, NOW)


def test_a_refused_operation_names_itself() -> None:
    tree = tree_with("/a")
    with pytest.raises(NodeExistsError) as refused:
        tree.run([Create("/b"), Create("/a")], 1, NOW)
    assert (refused.value.index, refused.value.path) == (1, "/a")


def test_sequential_names_count_every_child_ever_created() -> None:
    tree = tree_with("/q", "/q/first")
    tree.run([Delete("/q/first")], 1, NOW)
    assert tree.run([Create("/q/n_", sequential=True)], 1, NOW).results == ["/q/n_0000000001"]
    assert tree.run([Create("/q/", sequential=True)], 1, NOW).results == ["/q/0000000002"]


def test_the_children_version_counts_arrivals_and_departures() -> None:
    tree = tree_with("/q", "/q/a", "/q/b")
    tree.run([Delete("/q/a")], 1, NOW)
    stat = tree.nodes["/q"].stat()
    assert (stat.cversion, stat.children_count) == (3, 1)


def test_events_come_in_the_order_of_the_changes() -> None:
    tree = ZnodeTree(0)
    events = tree.run([Create("/a"), SetData("/a", b""), Delete("/a"), Create("/b"), Check("/b", 0)], 1, NOW).events
    assert events == [
        WatchEvent(EventKind.CREATED, "/a"),
        WatchEvent(EventKind.CHILDREN_CHANGED, "/"),
        WatchEvent(EventKind.DATA_CHANGED, "/a"),
        WatchEvent(EventKind.DELETED, "/a"),
        WatchEvent(EventKind.CHILDREN_CHANGED, "/"),
        WatchEvent(EventKind.CREATED, "/b"),
        WatchEvent(EventKind.CHILDREN_CHANGED, "/"),
    ]


def test_ephemeral_nodes_are_not_to_be_stored() -> None:
    tree = tree_with("/p")
    assert list(tree.run([Create("/p/e", ephemeral=True)], 1, NOW).dirty) == []
    assert list(tree.run([SetData("/p/e", b"")], 1, NOW).dirty) == []
    assert list(tree.run([Delete("/p/e")], 1, NOW).dirty) == []
    assert list(tree.run([Create("/p/s")], 1, NOW).dirty) == ["/p/s", "/p"]


@pytest.mark.parametrize("path", ["", "a", "a/b", "/a/", "//a", "/a//b", "/"])
def test_bad_paths(path: str) -> None:
    with pytest.raises(BadPathError):
        split_path(path)


def test_good_paths() -> None:
    assert split_path("/a") == ("/", "a")
    assert split_path("/a/b.c/<d>") == ("/a/b.c", "<d>")
