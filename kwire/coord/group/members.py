"""One member of a classic group, and who a request comes from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kwire.coord.decision import NO_REPLY_KEY, ReplyKey
from kwire.named_tuple import NamedTuple
from kwire.wire.messages.group_records import MemberMetadata
from kwire.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol

UNKNOWN_MEMBER_ID = ""
"""What a member sends before it has an id."""

Protocols = dict[str, bytes]
"""Protocol name to the member's metadata for it, in the member's order of preference."""


class JoiningClient(NamedTuple):
    """Who sends a JoinGroup, and what its version of the API can do.

    `client_host` is an address as Java prints it (`/127.0.0.1`). `needs_member_id`: an id is handed out first and the
    member joins with it (v4+, KIP-394). `may_skip_assignment`: a static leader that comes back learns that the old
    assignment stands (v9+, KIP-814).
    """

    client_id: str
    client_host: str
    needs_member_id: bool
    may_skip_assignment: bool


def protocols_of(offered: Iterable[JoinGroupRequestProtocol]) -> Protocols:
    """A request's protocols by name; of a name given twice the first counts."""
    protocols: Protocols = {}
    for protocol in offered:
        protocols.setdefault(protocol.name, protocol.metadata)
    return protocols


class ClassicMember:
    """A member that has joined.

    `join_key` and `sync_key` name the JoinGroup and the SyncGroup of this member that wait for their responses.
    `is_new`: it has not been in a generation yet, so waiting for one does not keep it alive.
    """

    __slots__ = (
        "assignment",
        "client_host",
        "client_id",
        "group_instance_id",
        "is_new",
        "join_key",
        "member_id",
        "protocols",
        "rebalance_timeout_ms",
        "session_timeout_ms",
        "sync_key",
    )

    def __init__(
        self,
        member_id: str,
        group_instance_id: str | None,
        client_id: str,
        client_host: str,
        rebalance_timeout_ms: int,
        session_timeout_ms: int,
        protocols: Protocols,
        assignment: bytes = b"",
    ) -> None:
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.client_id = client_id
        self.client_host = client_host
        self.rebalance_timeout_ms = rebalance_timeout_ms
        self.session_timeout_ms = session_timeout_ms
        self.protocols = protocols
        self.assignment = assignment
        self.is_new = False
        self.join_key: ReplyKey = NO_REPLY_KEY
        self.sync_key: ReplyKey = NO_REPLY_KEY

    @classmethod
    def from_request(cls, member_id: str, request: JoinGroupRequest, client: JoiningClient) -> ClassicMember:
        """A member as its JoinGroup describes it."""
        member = cls(
            member_id,
            request.group_instance_id,
            client.client_id,
            client.client_host,
            rebalance_timeout_of(request),
            request.session_timeout_ms,
            protocols_of(request.protocols),
        )
        member.is_new = True
        return member

    @classmethod
    def from_record(cls, record: MemberMetadata, protocol_name: str | None) -> ClassicMember:
        """A member as the log remembers it: only the chosen protocol is known of those it offered."""
        rebalance_timeout_ms = record.rebalance_timeout
        return cls(
            record.member_id,
            record.group_instance_id,
            record.client_id,
            record.client_host,
            record.session_timeout if rebalance_timeout_ms == -1 else rebalance_timeout_ms,
            record.session_timeout,
            {} if protocol_name is None else {protocol_name: record.subscription},
            record.assignment,
        )

    def to_record(self, protocol_name: str, assignment: bytes) -> MemberMetadata:
        """What the log keeps of this member under the group's chosen protocol."""
        return MemberMetadata(
            member_id=self.member_id,
            group_instance_id=self.group_instance_id,
            client_id=self.client_id,
            client_host=self.client_host,
            rebalance_timeout=self.rebalance_timeout_ms,
            session_timeout=self.session_timeout_ms,
            subscription=self.protocols[protocol_name],
            assignment=assignment,
        )

    @property
    def awaits_join(self) -> bool:
        """Whether a JoinGroup of this member is parked."""
        return self.join_key != NO_REPLY_KEY

    @property
    def keeps_session(self) -> bool:
        """Whether it counts as alive without a heartbeat: it waits for a rebalance that others hold up."""
        return not self.is_new and (self.join_key != NO_REPLY_KEY or self.sync_key != NO_REPLY_KEY)

    def offers(self, offered: Sequence[JoinGroupRequestProtocol]) -> bool:
        """Whether `offered` is what the member offers already: same names, order and metadata."""
        return list(protocols_of(offered).items()) == list(self.protocols.items())

    def vote(self, candidates: frozenset[str]) -> str:
        """The candidate that this member likes best. There must be one."""
        for name in self.protocols:
            if name in candidates:
                return name
        raise AssertionError(f"member {self.member_id} supports none of {sorted(candidates)}")


def rebalance_timeout_of(request: JoinGroupRequest) -> int:
    """How long the group waits for this member; version 0 had one timeout for both purposes."""
    if request.rebalance_timeout_ms < 0:
        return request.session_timeout_ms
    return request.rebalance_timeout_ms
