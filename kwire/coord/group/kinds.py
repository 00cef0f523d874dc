"""Groups that are neither classic nor consumers': what a shard has to know of a kind to hold its groups.

A kind lives in a package of its own and is imported with its first group: most brokers have none. An id belongs to one
kind at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Protocol

from kwire.coord.decision import Decision
from kwire.coord.group.config import GroupConfig
from kwire.coord.group.modern.topics import TopicDirectory
from kwire.coord.records import CoordinatorRecord
from kwire.coord.timers import Timers
from kwire.wire.messages.list_groups import ListedGroup
from kwire.wire.messages.offset_commit import OffsetCommitRequest
from kwire.wire.messages.offset_fetch import OffsetFetchRequestGroup
from kwire.wire.messages.txn_offset_commit import TxnOffsetCommitRequest

TimerKey = tuple[str, str, str]

KINDS: Mapping[str, str] = {
    "share": "kwire.coord.group.share.groups",
    "streams": "kwire.coord.group.streams.groups",
}
"""Modules by the name of the kind, which begins the keys of its timers (`share-session`) as well."""

NEVER_EXPIRE = frozenset({"share"})
"""Kinds whose groups are gone only when somebody deletes them."""

RECORD_PREFIXES: Mapping[str, str] = {"ShareGroup": "share", "StreamsGroup": "streams"}
"""Kinds by how the names of their records' classes begin."""


class ModernGroup(Protocol):
    """A group whose members are assigned by the coordinator, as those see it who do not care for its kind."""

    group_id: str

    @property
    def is_empty(self) -> bool:
        """Whether nobody is in it."""
        ...

    @property
    def state(self) -> str:
        """The name that clients see."""
        ...

    def is_subscribed_to(self, topic: str) -> bool:
        """Whether a member may consume the topic."""
        ...

    def tombstones(self) -> list[CoordinatorRecord]:
        """The records that take the group back, members and all."""
        ...


class GroupKind(Protocol):
    """All groups of one kind in one shard; a module of `KINDS` makes it by `open_kind(timers, config, topics)`."""

    @property
    def groups(self) -> Mapping[str, ModernGroup]:
        """By id."""
        ...

    def check_commit(self, request: OffsetCommitRequest, *, knows_member_epochs: bool) -> None:
        """Raises KafkaError for a commit that the group does not let through."""
        ...

    def check_transactional_commit(self, request: TxnOffsetCommitRequest) -> None:
        """The same within a transaction."""
        ...

    def check_fetch(self, request: OffsetFetchRequestGroup) -> None:
        """Raises KafkaError for a fetch of offsets that the group does not let through."""
        ...

    def check_offset_delete(self, group_id: str) -> None:
        """Raises KafkaError if such groups have no offsets that could be deleted."""
        ...

    def replay(self, record: CoordinatorRecord) -> None:
        """Bring in one record; a group comes with its first one and goes with its tombstone."""
        ...

    def on_refused(self, record: CoordinatorRecord, now_ms: int) -> None:
        """The log did not take this record of a decision."""
        ...

    def on_timer(self, key: TimerKey, now_ms: int) -> Decision:
        """A deadline has come."""
        ...

    def on_loaded(self, now_ms: int) -> None:
        """The log is read to its end: sessions begin anew."""
        ...

    def on_unloaded(self) -> None:
        """Another broker leads the partition."""
        ...


class GroupKinds:
    """The kinds of one shard that have been met so far."""

    __slots__ = ("_config", "_met", "_timers", "_topics")

    def __init__(self, timers: Timers[TimerKey], config: GroupConfig, topics: TopicDirectory) -> None:
        self._timers = timers
        self._config = config
        self._topics = topics
        self._met: dict[str, GroupKind] = {}

    def __iter__(self) -> Iterator[GroupKind]:
        return iter(self._met.values())

    def met(self, name: str) -> GroupKind | None:
        """The kind of this name, if it has been asked for before."""
        return self._met.get(name)

    def kind(self, name: str) -> GroupKind:
        """The kind of this name."""
        kind = self._met.get(name)
        if kind is None:
            kind = import_module(KINDS[name]).open_kind(self._timers, self._config, self._topics)
            self._met[name] = kind
        return kind

    def expiring(self) -> Iterator[GroupKind]:
        """The kinds whose empty groups go when their offsets have expired."""
        for name, kind in self._met.items():
            if name not in NEVER_EXPIRE:
                yield kind

    def of_group(self, group_id: str) -> GroupKind | None:
        """The kind that has this group."""
        for kind in self._met.values():
            if group_id in kind.groups:
                return kind
        return None

    def of_record(self, key: Any) -> GroupKind | None:
        """The kind that a record belongs to, by its key; None for those of classic and consumer groups."""
        name = type(key).__name__
        for prefix, kind in RECORD_PREFIXES.items():
            if name.startswith(prefix):
                return self.kind(kind)
        return None

    def of_timer(self, key: TimerKey) -> GroupKind | None:
        """The kind that a deadline belongs to."""
        return self._met.get(key[0].partition("-")[0])

    def group(self, group_id: str) -> ModernGroup | None:
        """The group, whatever its kind."""
        kind = self.of_group(group_id)
        return None if kind is None else kind.groups[group_id]

    def lets_classic_in(self, group_id: str) -> bool:
        """Whether a classic group may have this id: not beside members, nor where a share group stays without any."""
        for name, kind in self._met.items():
            group = kind.groups.get(group_id)
            if group is not None:
                return group.is_empty and name not in NEVER_EXPIRE
        return True

    def list_groups(self, states: list[str], types: list[str]) -> list[ListedGroup]:
        """The groups in one of these states and of one of these types; no filter lets all pass, case is ignored."""
        wanted_states = {state.strip().lower().replace("_", "") for state in states}
        wanted_types = {name.lower() for name in types}
        return [
            ListedGroup(group_id=group.group_id, protocol_type=name, group_state=state, group_type=name)
            for name, kind in self._met.items()
            if name in wanted_types or not wanted_types
            for group in kind.groups.values()
            if (state := group.state).lower() in wanted_states or not wanted_states
        ]
