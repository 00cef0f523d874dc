"""What happens to a data directory before it is looked at: written, stopped, led anew, written on, killed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from compat_tests.disk import compacted, members, metadata, transactions, workload
from compat_tests.disk.client import EARLIEST, Client, wait_until
from compat_tests.disk.members import Member
from compat_tests.disk.served import Served, served
from compat_tests.disk.subjects import Directory, Subject, left_behind

LEFT_GROUP, LIVE_GROUP = "disk-left", "disk-live"
GROUPS = (workload.SIMPLE_GROUP, LEFT_GROUP, LIVE_GROUP)
RETAINED, EMPTIED = "retained", "emptied"


class Chapter(NamedTuple):
    """A directory as its broker left it, and what that broker served of it."""

    directory: Directory
    served: Served
    batches: int
    """How many batches each topic of the workload has."""
    member: Member


class Story(NamedTuple):
    """The same directory twice: after a clean stop, and after more writing and kill -9."""

    clean: Chapter
    killed: Chapter
    requests: int


def topic_names() -> list[str]:
    return [*(topic.name for topic in workload.topics()), RETAINED, EMPTIED, compacted.TOPIC, transactions.TOPIC]


def write(subject: Subject, folder: Path) -> Story:
    """Write everything; the copies of the directory go into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    size_option = workload.SEGMENT_SIZE[subject.options_of]
    subject.start()
    with Client(subject.port) as client:
        small = {size_option: "4096"}
        client.create_topic(transactions.TOPIC, transactions.PARTITIONS, small)
        client.create_topic(compacted.TOPIC, 1, compacted.OPTIONS)
        client.create_topic(RETAINED, 1, {size_option: "8192", "retention.bytes": "20000", "retention.ms": "-1"})
        client.create_topic(EMPTIED, 1, {size_option: "8192", "retention.ms": "60000"})
        for topic in workload.topics():
            client.create_topic(topic.name, 1, topic.options | {size_option: workload.SEGMENT_BYTES})
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
        requests += workload.write_second_half(client)
        requests += compacted.write(client, compacted.SECOND_HALF)
        client.commit(LIVE_GROUP, "v2-lz4", {0: (321, 4, "live")}, member=(live.member_id, live.generation))
        for batch in range(40):
            client.produce(RETAINED, 0, workload.plain_batch(RETAINED, batch))
            client.produce(EMPTIED, 0, workload.plain_batch(EMPTIED, batch))
        wait_until(lambda: _is_settled(client), "retention to let go")
        compacted.wait_until_clean(subject.data)
        before = served(client, topic_names(), GROUPS, transactional_ids=(transactions.COMMITTER,))
    subject.stop()
    clean = Chapter(left_behind(subject, folder / "clean"), before, workload.BATCHES, live)
    subject.start()
    with Client(subject.port) as client:
        client.topics(topic_names())
        requests += workload.write_on(client)
        requests += compacted.write(client, compacted.MORE)
        kept = transactions.leave_open(bootstrap)
        compacted.wait_until_clean(subject.data)
        before = served(client, topic_names(), GROUPS, transactional_ids=(transactions.COMMITTER, transactions.OPEN))
    subject.kill()
    killed = Chapter(left_behind(subject, folder / "killed"), before, workload.BATCHES + workload.MORE, live)
    del kept
    return Story(clean, killed, requests)


def _is_settled(client: Client) -> bool:
    """Whether retention has taken all it may take: it looks every half second."""
    before = [client.offset_at(topic, 0, EARLIEST)[1] for topic in (RETAINED, EMPTIED)]
    time.sleep(1.5)
    after = [client.offset_at(topic, 0, EARLIEST)[1] for topic in (RETAINED, EMPTIED)]
    return all(before) and before == after
