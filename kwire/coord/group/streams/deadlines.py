"""What a Streams group waits for, as keys of the shard's timers: one of these kinds, a group id, a member id or ""."""

from __future__ import annotations

from typing import Final

SESSION: Final = "streams-session"
"""The member was not heard of for its session timeout."""
REVOCATION: Final = "streams-revocation"
"""The member did not give back what it must not keep within its rebalance timeout."""
INITIAL: Final = "streams-initial"
"""The group has waited for more members, and gets its first tasks."""
