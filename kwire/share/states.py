"""What becomes of a record of a share partition, and what a consumer may say about it (KIP-932).

| state | what it is | leads to |
|---|---|---|
| Available | free for any member | Acquired |
| Acquired | locked for one member, delivered to it | Available, Acknowledged, Archived |
| Acknowledged | done | nothing |
| Archived | given up: rejected, delivered too often, gone from the log, or no record at all | nothing |

The numbers are those of the log and of the persister's requests (apache/kafka `RecordState`). Records can also be
archived from outside, without a transition: when the log has lost them, or when their transaction was aborted.
"""

from __future__ import annotations

from typing import Final

AVAILABLE: Final = 0
ACQUIRED: Final = 1
ACKNOWLEDGED: Final = 2
ARCHIVED: Final = 4

STATE_NAMES: Final = {AVAILABLE: "Available", ACQUIRED: "Acquired", ACKNOWLEDGED: "Acknowledged", ARCHIVED: "Archived"}

TERMINAL: Final = frozenset({ACKNOWLEDGED, ARCHIVED})

TRANSITIONS: Final[dict[int, frozenset[int]]] = {
    AVAILABLE: frozenset({ACQUIRED}),
    ACQUIRED: frozenset({AVAILABLE, ACKNOWLEDGED, ARCHIVED}),
    ACKNOWLEDGED: frozenset(),
    ARCHIVED: frozenset(),
}
"""From each state, the states that may follow. What is not listed raises `IllegalTransition`."""

GAP: Final = 0
ACCEPT: Final = 1
RELEASE: Final = 2
REJECT: Final = 3
RENEW: Final = 4
"""What a member says about an offset: there is no record, it is done, once more please, never again, I need longer."""

STATE_AFTER: Final = {GAP: ARCHIVED, ACCEPT: ACKNOWLEDGED, RELEASE: AVAILABLE, REJECT: ARCHIVED}
"""The state that an acknowledgement leads to; RENEW changes none."""

BATCH_OPTIMIZED: Final = 0
RECORD_LIMIT: Final = 1
"""Acquire modes (KIP-1206): whole record batches, or never more records than asked for."""

NO_MEMBER: Final = ""
"""Nobody: the owner of records that are not acquired."""


class IllegalTransition(AssertionError):
    """A bug: a record was told to go where the table above does not lead."""
