"""Who wants to be told of which node: one-shot and persistent watches, told in the order of the changes."""

from __future__ import annotations

from collections.abc import Iterator

from kwire.cluster.store import EventKind, WatchCallback, WatchEvent


class WatchTable:
    """The watches of one session; holds no more than one entry per callback and node."""

    def __init__(self) -> None:
        self._data: dict[str, dict[WatchCallback, None]] = {}
        self._children: dict[str, dict[WatchCallback, None]] = {}
        self._persistent: dict[str, dict[WatchCallback, bool]] = {}

    def once_data(self, path: str, callback: WatchCallback) -> None:
        """Tell the next creation, data change or deletion of `path`."""
        self._data.setdefault(path, {})[callback] = None

    def once_children(self, path: str, callback: WatchCallback) -> None:
        """Tell the next change of the children of `path`, or its deletion."""
        self._children.setdefault(path, {})[callback] = None

    def add_persistent(self, path: str, callback: WatchCallback, *, recursive: bool) -> None:
        """Tell every change of `path` until removed; a recursive one of all below, without CHILDREN_CHANGED."""
        self._persistent.setdefault(path, {})[callback] = recursive

    def remove_persistent(self, path: str, callback: WatchCallback) -> None:
        """Take back `add_persistent`; nothing happens if it is gone already."""
        callbacks = self._persistent.get(path)
        if callbacks is not None:
            callbacks.pop(callback, None)
            if not callbacks:
                del self._persistent[path]

    def clear(self) -> None:
        """The session has ended."""
        self._data.clear()
        self._children.clear()
        self._persistent.clear()

    def triggered(self, event: WatchEvent) -> list[WatchCallback]:
        """Who is to be told of `event`; uses up the one-shot watches among them."""
        found: dict[WatchCallback, None] = {}
        if event.kind is not EventKind.CHILDREN_CHANGED:
            found.update(self._data.pop(event.path, {}))
        if event.kind in (EventKind.CHILDREN_CHANGED, EventKind.DELETED):
            found.update(self._children.pop(event.path, {}))
        if self._persistent:
            found.update(self._persistent_for(event))
        return list(found)

    def _persistent_for(self, event: WatchEvent) -> Iterator[tuple[WatchCallback, None]]:
        path = event.path
        for callback, recursive in self._persistent.get(path, {}).items():
            if not (recursive and event.kind is EventKind.CHILDREN_CHANGED):
                yield callback, None
        if event.kind is EventKind.CHILDREN_CHANGED:
            return
        while path != "/":
            path = path.rpartition("/")[0] or "/"
            for callback, recursive in self._persistent.get(path, {}).items():
                if recursive:
                    yield callback, None
