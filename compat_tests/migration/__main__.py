"""`python -m compat_tests.migration`: groups go over to the new protocol and back under load, member by member.

Four groups of three stock consumers read one topic while an idempotent producer writes it: kafka-clients 4.3.1 with an
eager and with the cooperative assignor, confluent-kafka with two eager ones (FINDINGS.md says why). The members are
replaced one after the other, first by members with `group.protocol=consumer` (KIP-848), then by classic ones again, as
in a rolling restart that waits for the group to be stable; each time the three must share all partitions and read on.
In the end each group has to have read every acknowledged record, and none twice.

One line for each group, and then `N passed, N failed`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient

from compat_tests.broker import KwireBroker
from compat_tests.clients.install import default_cache, install
from compat_tests.disk.apache import V43
from compat_tests.durability.load import QUIET, IdempotentLoad, create_topic
from compat_tests.migration.members import CLASSIC, CONSUMER, JavaMember, LibrdkafkaMember, Member, Seen

TOPIC = "migrated"
PARTITIONS, MEMBERS = 6, 3
FILLER_BYTES, PAUSE_S = 20, 0.5
"""Fifty records into each partition, and a pause: some 600 a second."""
WAIT_S = 90.0
BROKER_OPTIONS = {
    "group.consumer.min.heartbeat.interval.ms": "100",
    "group.consumer.heartbeat.interval.ms": "300",
}
"""A member of the new protocol hears of changes with its heartbeats, by default five seconds apart."""


class Run(NamedTuple):
    """One group: its name, the client, and the assignor of its classic members."""

    name: str
    make: type[JavaMember] | type[LibrdkafkaMember]
    assignor: str


RUNS = (
    Run("java-eager", JavaMember, "RangeAssignor"),
    Run("java-cooperative", JavaMember, "CooperativeStickyAssignor"),
    Run("librdkafka-eager", LibrdkafkaMember, "range"),
    Run("librdkafka-roundrobin", LibrdkafkaMember, "roundrobin"),
)


class Failure(Exception):
    """A group did not do what it should."""


def wait_for(what: str, condition: Callable[[], bool]) -> None:
    """Raises Failure."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > deadline:
            raise Failure(f"not within {WAIT_S:.0f} s: {what}")
        time.sleep(0.05)


class Group:
    """The members of one group, those that have left included."""

    def __init__(self, run: Run, bootstrap: str, folder: Path) -> None:
        self._run, self._bootstrap, self._folder = run, bootstrap, folder
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": QUIET})
        self.members: list[Member] = []
        self._gone: list[Member] = []

    def add(self, protocol: str) -> None:
        log = self._folder / f"{self._run.name}-{len(self._gone) + len(self.members)}.log"
        made = self._run.make(self._bootstrap, TOPIC, self._run.name, protocol, self._run.assignor, log)
        self.members.append(made)

    def replace_oldest(self, protocol: str) -> None:
        """One leaves, another one comes."""
        oldest = self.members.pop(0)
        self._gone.append(oldest)
        oldest.end()
        self.add(protocol)

    def is_shared(self) -> bool:
        """Whether each member has its share, and all partitions are somebody's, nobody's twice."""
        shares = [set(member.partitions) for member in self.members]
        return set(map(len, shares)) == {PARTITIONS // MEMBERS} and set().union(*shares) == set(range(PARTITIONS))

    def listed(self) -> tuple[str, str]:
        """The kind and the state of the group, as ListGroups says: `("classic", "stable")`."""
        listed = self._admin.list_consumer_groups().result(WAIT_S).valid
        found = [(group.type.name, group.state.name) for group in listed if group.group_id == self._run.name]
        return (found[0][0].lower(), found[0][1].lower()) if found else ("none", "none")

    def seen(self) -> Seen:
        return sum((member.seen.copy() for member in (*self._gone, *self.members)), Seen())

    def problems(self) -> list[str]:
        return [text for member in (*self._gone, *self.members) for text in member.problems]

    def lost(self) -> list[int]:
        return sorted(set().union(*(member.lost for member in (*self._gone, *self.members))))

    def has_committed(self, offsets: dict[int, int]) -> bool:
        """Whether the group would go on at these offsets, given by partition."""
        asked = ConsumerGroupTopicPartitions(self._run.name)
        answer = self._admin.list_consumer_group_offsets([asked])[self._run.name].result(WAIT_S)
        found = {part.partition: part.offset for part in answer.topic_partitions}
        return all(found.get(partition) == offset for partition, offset in offsets.items())

    def refused(self) -> int:
        return sum(member.refused for member in (*self._gone, *self.members))

    def end(self) -> None:
        """All leave."""
        for member in self.members:
            member.end()

    def kill(self) -> None:
        for member in self.members:
            member.kill()


def settle(group: Group, step: str, kind: str) -> None:
    """Until the members share the partitions, know of it, and have read on. Raises Failure."""
    wait_for(f"{step}: the members share all partitions", group.is_shared)
    wait_for(f"{step}: the group is a {kind} one, and stable", lambda: group.listed() == (kind, "stable"))
    before = dict.fromkeys(range(PARTITIONS), 0) | last_read(group)
    wait_for(f"{step}: every partition is read on", lambda: is_beyond(last_read(group), before))


def last_read(group: Group) -> dict[int, int]:
    """The highest offset read of each partition."""
    found: dict[int, int] = {}
    for partition, offset in group.seen():
        found[partition] = max(offset, found.get(partition, 0))
    return found


def is_beyond(now: dict[int, int], before: dict[int, int]) -> bool:
    return all(now.get(partition, 0) > offset for partition, offset in before.items())


def go_and_return(group: Group) -> None:
    """Three classic members, three of the new protocol, three classic ones again. Raises Failure."""
    for _ in range(MEMBERS):
        group.add(CLASSIC)
    settle(group, "at first", CLASSIC)
    for number in range(1, MEMBERS + 1):
        group.replace_oldest(CONSUMER)
        settle(group, f"{number} of {MEMBERS} with the new protocol", CONSUMER)
    for number in range(1, MEMBERS + 1):
        group.replace_oldest(CLASSIC)
        settle(group, f"{number} of {MEMBERS} classic again", CLASSIC if number == MEMBERS else CONSUMER)


def judge(load: IdempotentLoad, seen: Seen) -> tuple[str, bool]:
    """What was counted, and whether each acknowledged record was read once."""
    acknowledged = {(p, offset) for p in range(PARTITIONS) for offset in load.acknowledged(p).values()}
    lost, doubled = len(acknowledged - seen.keys()), seen.total() - len(seen)
    counts = f"acked={len(acknowledged)} read={seen.total()} lost={lost} doubled={doubled}"
    return counts, bool(acknowledged) and not lost and not doubled


def check(group: Group, load: IdempotentLoad, may_end: threading.Barrier, stop: threading.Event) -> tuple[str, bool]:
    """The story of one group: what to say of it, and whether it went well."""
    began = time.monotonic()
    trouble: list[str] = []
    try:
        go_and_return(group)
    except Failure as failure:
        trouble.append(str(failure))
    took_s = time.monotonic() - began
    may_end.wait()  # The load is everybody's: it ends when nobody needs it any more.
    stop.set()
    load.join()
    acknowledged = {(p, offset) for p in range(PARTITIONS) for offset in load.acknowledged(p).values()}
    try:
        wait_for("everything is read", lambda: acknowledged <= group.seen().keys())
        ends = {partition: offset + 1 for partition, offset in last_read(group).items()}
        wait_for("everything is committed", lambda: group.has_committed(ends))
    except Failure as failure:
        trouble.append(str(failure))
    # From here on they leave one after the other. Whom that catches within a rebalance calls its partitions lost.
    if lost := group.lost():
        trouble.append(f"lost partitions {lost}")
    group.end()
    counts, holds = judge(load, group.seen())
    trouble += [*group.problems(), *load.failures][:5]
    said = f"{2 * MEMBERS} members replaced in {took_s:.1f} s, {counts} commits_refused={group.refused()}"
    return "; ".join((said, *trouble)), holds and not trouble


def main() -> int:
    parser = argparse.ArgumentParser(prog="compat_tests.migration", description="Groups change their protocol.")
    names = [run.name for run in RUNS]
    parser.add_argument("--bootstrap", metavar="HOST:PORT", help="use this broker instead of starting kwire")
    parser.add_argument("--run", action="append", choices=names, help="only this group; may be repeated")
    options = parser.parse_args()
    for name, problem in install([f"kafka-{V43}"], default_cache()).items():
        print(f"cannot install {name}: {problem}", file=sys.stderr)
        print("0 passed, 1 failed")
        return 1
    folder = Path(tempfile.mkdtemp(prefix="kwire-migration-"))
    broker = KwireBroker(folder / "data", log=folder / "broker.log", options=BROKER_OPTIONS)
    if not options.bootstrap:
        broker.start()
    bootstrap = options.bootstrap or broker.bootstrap
    chosen = [run for run in RUNS if not options.run or run.name in options.run]
    groups = [Group(run, bootstrap, folder) for run in chosen]
    stop, may_end = threading.Event(), threading.Barrier(len(chosen))
    try:
        create_topic(bootstrap, TOPIC, PARTITIONS)
        load = IdempotentLoad(bootstrap, TOPIC, PARTITIONS, FILLER_BYTES, stop, pause_s=PAUSE_S)
        load.start()
        with ThreadPoolExecutor(len(groups)) as pool:
            outcomes = list(pool.map(lambda group: check(group, load, may_end, stop), groups))
    finally:
        stop.set()
        for group in groups:
            group.kill()
        broker.kill()
    for run, (said, holds) in zip(chosen, outcomes, strict=True):
        print(f"{run.name}: {'' if holds else 'FAILED: '}{said}")
    failed = sum(not holds for _, holds in outcomes)
    print(f"{len(outcomes) - failed} passed, {failed} failed" + (f"; logs in {folder}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
