"""What a coordinator's core decided: work as a value, for the runtime to perform in order.

First the records are appended as one batch, then each is replayed, then, once the last of them is committed, the
orders are handed over and the replies go out. If the append fails none of that happens: those who were to be answered
are told so, and the core is asked what to do instead.
"""

from __future__ import annotations

from typing import Any

from kwire.coord.records import CoordinatorRecord

ReplyKey = int
"""Names a request that waits for its response. The runtime makes the keys; a core only remembers and repeats them."""

NO_REPLY_KEY: ReplyKey = 0
"""Nobody waits. Never given to a request."""


class Decision:
    """Records to append, and replies that may go out when they are committed.

    `atomic` records go into one batch or not at all; others (tombstones of a clean-up) may be split over several.
    With a `producer`, an id and an epoch, the records belong to its transaction and count once its marker follows.
    `orders` are work outside of this log, to be begun once the records are committed, and before the replies go out;
    what comes of one is a decision of its own.
    """

    __slots__ = ("atomic", "orders", "producer", "records", "replies")

    def __init__(self, *, atomic: bool = True, producer: tuple[int, int] | None = None) -> None:
        self.records: list[CoordinatorRecord] = []
        self.replies: list[tuple[ReplyKey, Any]] = []
        self.orders: list[Any] = []
        self.atomic = atomic
        self.producer = producer

    def record(self, key: Any, value: Any) -> None:
        """Append one record; a `value` of None is a tombstone."""
        self.records.append(CoordinatorRecord(key, value))

    def reply(self, key: ReplyKey, response: Any) -> None:
        """Answer the request that waits under `key`."""
        if key != NO_REPLY_KEY:
            self.replies.append((key, response))

    def __repr__(self) -> str:
        return f"Decision(records={self.records!r}, replies={self.replies!r})"
