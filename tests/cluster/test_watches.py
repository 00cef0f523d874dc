"""Who is told of what."""

from __future__ import annotations

from kwire.cluster.store import EventKind, WatchEvent
from kwire.cluster.watches import WatchTable

CREATED = WatchEvent(EventKind.CREATED, "/a/b")
CHANGED = WatchEvent(EventKind.DATA_CHANGED, "/a/b")
DELETED = WatchEvent(EventKind.DELETED, "/a/b")
CHILDREN = WatchEvent(EventKind.CHILDREN_CHANGED, "/a/b")


def nobody(event: WatchEvent) -> None:
    raise AssertionError(event)


def somebody(event: WatchEvent) -> None:
    raise AssertionError(event)


def test_a_data_watch_is_used_up_by_any_change_of_the_node_itself() -> None:
    for event in (CREATED, CHANGED, DELETED):
        table = WatchTable()
        table.once_data("/a/b", nobody)
        assert table.triggered(CHILDREN) == []
        assert table.triggered(event) == [nobody]
        assert table.triggered(event) == []


def test_a_children_watch_hears_of_children_and_of_the_end() -> None:
    for event in (CHILDREN, DELETED):
        table = WatchTable()
        table.once_children("/a/b", nobody)
        assert table.triggered(CREATED) == []
        assert table.triggered(CHANGED) == []
        assert table.triggered(event) == [nobody]
        assert table.triggered(event) == []


def test_one_callback_is_told_once_of_one_event() -> None:
    table = WatchTable()
    table.once_data("/a/b", nobody)
    table.once_data("/a/b", nobody)
    table.once_children("/a/b", nobody)
    table.add_persistent("/a/b", nobody, recursive=False)
    assert table.triggered(DELETED) == [nobody]


def test_a_persistent_watch_stays() -> None:
    table = WatchTable()
    table.add_persistent("/a/b", nobody, recursive=False)
    for event in (CREATED, CHANGED, CHILDREN, DELETED):
        assert table.triggered(event) == [nobody]
    table.remove_persistent("/a/b", nobody)
    table.remove_persistent("/a/b", nobody)
    assert table.triggered(CHANGED) == []


def test_a_recursive_watch_hears_of_all_below() -> None:
    table = WatchTable()
    table.add_persistent("/", nobody, recursive=True)
    table.add_persistent("/a", somebody, recursive=False)
    assert table.triggered(CHANGED) == [nobody]
    assert table.triggered(WatchEvent(EventKind.DATA_CHANGED, "/a")) == [somebody, nobody]
    assert table.triggered(CHILDREN) == []
    assert table.triggered(WatchEvent(EventKind.CHILDREN_CHANGED, "/")) == []


def test_nothing_is_told_after_the_session() -> None:
    table = WatchTable()
    table.once_data("/a/b", nobody)
    table.once_children("/a/b", nobody)
    table.add_persistent("/a/b", nobody, recursive=True)
    table.clear()
    assert table.triggered(DELETED) == []
