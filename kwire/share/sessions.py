"""Share sessions: the broker remembers which share partitions a member fetches, so that requests name only changes.

A member of a group has one session, whose epoch counts its requests: 0 opens it, -1 ends it with the answer, anything
else must be the one expected. (KIP-932; apache/kafka `ShareSessionCache`, `SharePartitionManager.newContext`.)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from kwire.errors import ErrorCode, KafkaError

INITIAL_EPOCH = 0
FINAL_EPOCH = -1
MAX_EPOCH = 2**31 - 1


class TopicIdPartition(NamedTuple):
    """A partition of the incarnation of a topic."""

    topic_id: bytes
    partition: int


class ShareSession:
    """One member's partitions; `epoch` is the one that its next request must carry."""

    __slots__ = ("epoch", "group_id", "member_id", "partitions")

    def __init__(self, group_id: str, member_id: str, partitions: Iterable[TopicIdPartition]) -> None:
        self.group_id = group_id
        self.member_id = member_id
        self.partitions: dict[TopicIdPartition, None] = dict.fromkeys(partitions)
        self.epoch = 1

    def rotated(self, epoch: int) -> list[TopicIdPartition]:
        """The partitions, each request's turn beginning with another one."""
        partitions = list(self.partitions)
        if len(partitions) < 2 or epoch < 1:
            return partitions
        at = epoch % len(partitions)
        return partitions[at:] + partitions[:at]

    def served(self, partition: TopicIdPartition) -> None:
        """This partition gave records: it goes to the end."""
        if partition in self.partitions:
            del self.partitions[partition]
            self.partitions[partition] = None


class ShareSessions:
    """All sessions of one broker, at most `max_count`."""

    __slots__ = ("_max_count", "_members", "_sessions")

    def __init__(self, max_count: int) -> None:
        self._max_count = max_count
        self._sessions: dict[tuple[str, str], ShareSession] = {}
        self._members: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def get(self, group_id: str, member_id: str) -> ShareSession | None:
        """The member's session."""
        return self._sessions.get((group_id, member_id))

    def has_members(self, group_id: str) -> bool:
        """Whether a member of the group has a session here."""
        return group_id in self._members

    def open(self, group_id: str, member_id: str, partitions: Iterable[TopicIdPartition]) -> ShareSession:
        """A new session, in place of one that the member may have. Raises SHARE_SESSION_LIMIT_REACHED."""
        self.close(group_id, member_id)
        if len(self._sessions) >= self._max_count:
            raise KafkaError(ErrorCode.SHARE_SESSION_LIMIT_REACHED)
        session = self._sessions[group_id, member_id] = ShareSession(group_id, member_id, partitions)
        self._members[group_id] = self._members.get(group_id, 0) + 1
        return session

    def expect(self, group_id: str, member_id: str, epoch: int) -> ShareSession:
        """The session that a request of this epoch belongs to.

        Raises SHARE_SESSION_NOT_FOUND, INVALID_SHARE_SESSION_EPOCH.
        """
        session = self._sessions.get((group_id, member_id))
        if session is None:
            raise KafkaError(ErrorCode.SHARE_SESSION_NOT_FOUND)
        if epoch == FINAL_EPOCH:
            return session
        if session.epoch != epoch:
            raise KafkaError(ErrorCode.INVALID_SHARE_SESSION_EPOCH)
        session.epoch = 1 if session.epoch == MAX_EPOCH else session.epoch + 1
        return session

    def close(self, group_id: str, member_id: str) -> ShareSession | None:
        """End the member's session, if there is one."""
        session = self._sessions.pop((group_id, member_id), None)
        if session is not None:
            left = self._members.pop(group_id) - 1
            if left:
                self._members[group_id] = left
        return session
