"""How many files of logs are held open at once, over all logs of the process.

A segment opens its files when they are used, and a broker may have tens of thousands of them. Beyond the limit the file
that was opened first is let go; its owner opens it again if it is still in use, and a range that is being sent keeps it
open until it is sent. First in, first out needs no bookkeeping where files are used, and costs a busy file one `open`
in as many as the limit allows.
"""

from __future__ import annotations

import threading
from typing import Protocol
from weakref import ReferenceType, ref

_LEAST = 64


class Holder(Protocol):
    """Who holds one file open."""

    def let_go(self) -> None:
        """Close the file; the next use opens it again."""


class Descriptors:
    """The holders of open files, oldest first. Safe in threads."""

    __slots__ = ("_holders", "_limit", "_lock")

    def __init__(self, limit: int | None = None) -> None:
        """`limit` files at once; without it half of what the process may open when the first file is."""
        self._holders: dict[int, ReferenceType[Holder]] = {}
        self._limit = limit
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._holders)

    @property
    def limit(self) -> int:
        """How many files may be open at once."""
        if self._limit is None:
            from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit

            soft = getrlimit(RLIMIT_NOFILE)[0]
            self._limit = max(_LEAST, soft // 2) if soft != RLIM_INFINITY else 1 << 16
        return self._limit

    def opened(self, holder: Holder) -> None:
        """`holder` has opened its file; the oldest are let go if these are too many."""
        key = id(holder)
        surplus = []
        with self._lock:
            self._holders[key] = ref(holder, lambda _: self._forget(key))
            while len(self._holders) > self.limit:
                surplus.append(self._holders.pop(next(iter(self._holders))))
        for each in surplus:
            oldest = each()
            if oldest is not None:
                oldest.let_go()

    def closed(self, holder: Holder) -> None:
        """`holder` has closed its file by itself."""
        self._forget(id(holder))

    def _forget(self, key: int) -> None:
        with self._lock:
            self._holders.pop(key, None)


DESCRIPTORS = Descriptors()
"""Of this process."""
