"""What happens to a data directory before it is looked at: written, stopped, led anew, written on, killed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from compat_tests.disk import compacted, members, metadata, ongoing, transactions, workload
from compat_tests.disk.client import EARLIEST, LATEST, Client, wait_until
from compat_tests.disk.members import Member
from compat_tests.disk.ongoing import Owner
from compat_tests.disk.served import Served, served
from compat_tests.disk.subjects import Directory, Subject, left_behind

LEFT_GROUP, LIVE_GROUP = "disk-left", "disk-live"
GROUPS = (workload.SIMPLE_GROUP, LEFT_GROUP, LIVE_GROUP)
RETAINED, EMPTIED = "retained", "emptied"
RETAINED_BYTES = 20_000


class Chapter(NamedTuple):
    """A directory as its broker left it, and what that broker served of it."""

    directory: Directory
    served: Served
    batches: int
    """How many batches each topic of the workload has."""
    member: Member
    owners: Mapping[bool, Owner]
    """Of the transactions that are under way."""


class Story(NamedTuple):
    """The same directory twice: after a clean stop, and after more writing and kill -9."""

    clean: Chapter
    killed: Chapter
    requests: int


def topic_names() -> list[str]:
    special = (RETAINED, EMPTIED, compacted.TOPIC, transactions.TOPIC, *ongoing.TOPICS.values())
    return [*(topic.name for topic in workload.topics()), *special]


def _served(client: Client, *transactional_ids: str) -> Served:
    under_way = ongoing.TOPICS.values()
    return served(client, topic_names(), (*GROUPS, *under_way), transactional_ids=(*transactional_ids, *under_way))


def write(subject: Subject, folder: Path) -> Story:
    """Write everything; the copies of the directory go into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    subject.start()
    with Client(subject.port) as client:
        _create_topics(client, workload.SEGMENT_SIZE[subject.options_of])
        client.topics(topic_names())
        requests = workload.write_first_half(client)
        requests += compacted.write(client, compacted.FIRST_HALF)
        left = members.join(client, LEFT_GROUP, "v2-gzip")
        client.commit(LEFT_GROUP, "v2-gzip", {0: (123, 0, "left")}, member=(left.member_id, left.generation))
        members.leave(client, left)
        live = members.join(client, LIVE_GROUP, "v2-lz4")
    bootstrap = f"127.0.0.1:{subject.port}"
    transactions.commit_and_abort(bootstrap)
    subject.stop()
    subject.set_znodes(metadata.with_later_epochs(subject.znodes()))
    subject.start()
    with Client(subject.port) as client:
        client.topics(topic_names())
        requests += workload.write_second_half(client, subject.data)
        requests += compacted.write(client, compacted.SECOND_HALF)
        client.commit(LIVE_GROUP, "v2-lz4", {0: (321, 4, "live")}, member=(live.member_id, live.generation))
        for batch in range(40):
            client.produce(RETAINED, 0, workload.plain_batch(RETAINED, batch))
            client.produce(EMPTIED, 0, workload.plain_batch(EMPTIED, batch))
        owners = ongoing.leave(client)
        wait_until(lambda: _is_settled(client, subject.data), "retention to let go")
        compacted.wait_until_clean(subject.data)
        before = _served(client, transactions.COMMITTER)
    subject.stop()
    clean = Chapter(left_behind(subject, folder / "clean"), before, workload.BATCHES, live, owners)
    subject.start()
    with Client(subject.port) as client:
        client.topics(topic_names())
        requests += workload.write_on(client)
        requests += compacted.write(client, compacted.MORE)
        kept = transactions.leave_open(bootstrap)
        compacted.wait_until_clean(subject.data)
        before = _served(client, transactions.COMMITTER, transactions.OPEN)
    subject.kill()
    batches = workload.BATCHES + workload.MORE
    killed = Chapter(left_behind(subject, folder / "killed"), before, batches, live, owners)
    del kept
    return Story(clean, killed, requests)


def _create_topics(client: Client, size_option: str) -> None:
    small, tiny = {size_option: "8192"}, {size_option: "4096"}
    client.create_topic(transactions.TOPIC, transactions.PARTITIONS, tiny)
    client.create_topic(compacted.TOPIC, 1, compacted.OPTIONS)
    client.create_topic(RETAINED, 1, small | {"retention.bytes": str(RETAINED_BYTES), "retention.ms": "-1"})
    client.create_topic(EMPTIED, 1, small | {"retention.ms": "60000"})
    for name in ongoing.TOPICS.values():
        client.create_topic(name, 1, {})
    for topic in workload.topics():
        client.create_topic(topic.name, 1, topic.options | {size_option: workload.SEGMENT_BYTES})


def _is_settled(client: Client, data: Path) -> bool:
    """Whether retention has taken all it may take: everything that is old, and each segment that is too much."""
    if client.offset_at(EMPTIED, 0, EARLIEST)[1] != client.offset_at(EMPTIED, 0, LATEST)[1]:
        return False
    segments = sorted((data / f"{RETAINED}-0").glob("*.log"))
    sizes = [path.stat().st_size for path in segments]
    is_small_enough = sum(sizes) - sizes[0] < RETAINED_BYTES
    return is_small_enough and client.offset_at(RETAINED, 0, EARLIEST)[1] == int(segments[0].stem)
