"""The swap with Kafka 4.3.1, whose metadata is KRaft's: partition directories change places, metadata stays."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from compat_tests.broker import kwire_command
from compat_tests.disk import compacted, members, ongoing, story, transactions, workload
from compat_tests.disk.apache import Kafka43
from compat_tests.disk.client import Client
from compat_tests.disk.served import differences, served
from compat_tests.disk.story import Chapter
from compat_tests.disk.subjects import Directory, KwireSubject
from compat_tests.disk.swap import counted, went_on

INTERNAL = "__consumer_offsets"
CHECKPOINTS = (workload.LOG_START_CHECKPOINT, compacted.CHECKPOINT)
Broker = Kafka43 | KwireSubject


def topic_names() -> list[str]:
    """What both can hold that know no old formats."""
    return [topic.name for topic in workload.topics() if topic.modern] + [compacted.TOPIC, transactions.TOPIC]


def write(broker: Broker, where: Path, *, killed: bool) -> Chapter:
    """Write what Kafka 4 takes too, under one leader epoch; the directory's copy goes to `where`."""
    broker.start()
    with Client(broker.port) as client:
        _create_topics(client)
        workload.write_first_half(client)
        workload.write_second_half(client, broker.data)
        workload.write_on(client)
        live = members.join(client, story.LIVE_GROUP, "v2-lz4")
        left = members.join(client, story.LEFT_GROUP, "v2-gzip")
        client.commit(story.LEFT_GROUP, "v2-gzip", {0: (9, 0, "left")}, member=(left.member_id, left.generation))
        members.leave(client, left)
        compacted.write(client, compacted.FIRST_HALF)
    transactions.commit_and_abort(f"127.0.0.1:{broker.port}")
    with Client(broker.port) as client:
        compacted.write(client, compacted.SECOND_HALF)
        compacted.wait_until_clean(broker.data)
        before = served(client, topic_names(), story.GROUPS)
    if killed:
        broker.kill()
    else:
        broker.stop()
    shutil.copytree(broker.data, where)
    return Chapter(Directory(where, {}), before, workload.BATCHES + workload.MORE, live, {})


def into_kafka43(chapter: Chapter, folder: Path) -> tuple[str, list[str]]:
    """Put the partitions into the directories that Kafka 4.3 has made for topics of the same names."""
    kafka = Kafka43(folder)
    kafka.start()
    try:
        with Client(kafka.port) as client:
            _create_topics(client)
            client.await_coordinator(workload.SIMPLE_GROUP)
        kafka.stop()
        _move_in(chapter.directory.path, kafka.data)
        kafka.start()
        return _compare(kafka.port, chapter, topic_names())
    finally:
        kafka.kill()


def into_kwire(chapter: Chapter, folder: Path, topics: Sequence[str] | None = None) -> tuple[str, list[str]]:
    """Import a directory without its cluster's metadata; `topics` are those that can be in KRaft's unless given."""
    kwire = KwireSubject(folder)
    command = [*kwire_command(), "log", "import", str(chapter.directory.path), "--to", str(kwire.data)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return "", [f"kwire log import ended with status {done.returncode}: {done.stdout}{done.stderr}"]
    kwire.start()
    try:
        return _compare(kwire.port, chapter, topics or topic_names())
    finally:
        kwire.close()


def _create_topics(client: Client) -> None:
    size = {"internal.segment.bytes": workload.SEGMENT_BYTES}
    for topic in workload.topics():
        if topic.modern:
            client.create_topic(topic.name, 1, topic.options | size)
    client.create_topic(transactions.TOPIC, transactions.PARTITIONS, size)
    client.create_topic(compacted.TOPIC, 1, compacted.OPTIONS)
    client.topics(topic_names())


def _compare(port: int, chapter: Chapter, topics: Sequence[str]) -> tuple[str, list[str]]:
    with Client(port) as client:
        names = chapter.served.transactions
        after = served(client, topics, chapter.served.groups, transactional_ids=names)
        problems = differences(chapter.served, after)
        problems += ongoing.went_on(client, chapter.owners)
        problems += went_on(client, chapter, topics)
    return counted(after), problems


def _move_in(source: Path, target: Path) -> None:
    """Replace the files of each partition but the one that says whose it is."""
    names = [f"{topic}-0" for topic in topic_names()] + [f"{transactions.TOPIC}-1"]
    names += [path.name for path in target.glob(f"{INTERNAL}-*")]
    for name in names:
        for path in (target / name).iterdir():
            if path.name != "partition.metadata":
                path.unlink()
        for path in (source / name).iterdir() if (source / name).exists() else ():
            if path.name != "partition.metadata":
                shutil.copy2(path, target / name)
    for name in CHECKPOINTS:
        shutil.copy2(source / name, target)
