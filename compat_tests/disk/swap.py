"""The swap: a broker is given the directory and the metadata of the other kind, and serves what that one served."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from compat_tests.disk import members, story, transactions, workload
from compat_tests.disk.client import LATEST, Client, Refused
from compat_tests.disk.served import differences, served
from compat_tests.disk.story import Chapter
from compat_tests.disk.subjects import Subject, take_over
from kwire.errors import ErrorCode


def swapped(chapter: Chapter, subject: Subject) -> tuple[str, list[str]]:
    """Let another broker take the directory over: what was counted, and the problems."""
    take_over(subject, chapter.directory)
    subject.start()
    with Client(subject.port) as client:
        after = served(client, story.topic_names(), story.GROUPS)
        problems = differences(chapter.served, after) + went_on(client, chapter, story.topic_names())
        if transactions.TOPIC in client.topics() and story.END_TXN_KEY in client.versions():
            problems += _transactions_went_on(client, subject.port, chapter)
        again = served(client, story.topic_names(), story.GROUPS)
    subject.stop()
    subject.start()
    with Client(subject.port) as client:
        once_more = served(client, story.topic_names(), story.GROUPS)
        problems += [f"after a restart: {text}" for text in differences(again, once_more)]
    subject.stop()
    partitions, groups = len(after.partitions), len(after.groups)
    counts = f"{after.record_count} records in {partitions} partitions, {groups} groups"
    return counts, problems


def went_on(client: Client, chapter: Chapter, topics: Iterable[str]) -> list[str]:
    """What clients that know nothing of the swap do next: what is wrong with the answers."""
    problems: list[str] = []

    def expect(what: str, expected: object, found: object) -> None:
        if found != expected:
            problems.append(f"{what}: expected {expected}, found {found}")

    def code_of(batch: bytes) -> int:
        try:
            client.produce("idempotent", 0, batch)
        except Refused as refused:
            return refused.code
        return 0

    last, size = chapter.batches - 1, workload.RECORDS_PER_BATCH
    expect("the last batch again", last * size, client.produce("idempotent", 0, workload.idempotent_batch(last)))
    gap = ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    expect("a batch that leaves a gap", gap, code_of(workload.idempotent_batch(last + 2, same_epoch_as=last)))
    old = ErrorCode.INVALID_PRODUCER_EPOCH
    expect("a batch of an older epoch", old, code_of(workload.idempotent_batch(0)))
    following = workload.idempotent_batch(last + 1, same_epoch_as=last)
    expect("the next batch", (last + 1) * size, client.produce("idempotent", 0, following))
    for topic in topics:
        if topic not in (transactions.TOPIC, "idempotent", story.EMPTIED):
            end = client.offset_at(topic, 0, LATEST)[1]
            batch = workload.plain_batch(topic, last + 1)
            expect(f"an append to {topic}", end, client.produce(topic, 0, batch))
    expect("the heartbeat of the member", 0, members.heartbeat(client, chapter.member))
    client.commit(story.LEFT_GROUP, "v2-gzip", {0: (77, -1, "after the swap")})
    found = client.committed(story.LEFT_GROUP)[("v2-gzip", 0)]
    expect("a commit after the swap", (77, -1, "after the swap"), found)
    return problems


def _transactions_went_on(client: Client, port: int, chapter: Chapter) -> list[str]:
    """The owner of the transaction that was left open comes back: it is aborted, and another one is committed."""
    ends = [client.offset_at(transactions.TOPIC, p, LATEST)[1] for p in range(transactions.PARTITIONS)]
    transactions.commit_one(f"127.0.0.1:{port}", transactions.OPEN)

    def is_stable(partition: int) -> bool:
        stable = client.offset_at(transactions.TOPIC, partition, LATEST, committed=True)[1]
        return stable > ends[partition] and stable == client.offset_at(transactions.TOPIC, partition, LATEST)[1]

    # The markers follow the answer to the commit.
    for partition in range(transactions.PARTITIONS):
        story.wait_until(partial(is_stable, partition), f"the markers of {transactions.TOPIC}-{partition}")
    return []
