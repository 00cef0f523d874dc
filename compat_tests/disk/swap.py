"""The swap: a broker is given the directory and the metadata of the other kind, and serves what that one served."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from compat_tests.disk import compacted, members, ongoing, story, transactions, workload
from compat_tests.disk.client import LATEST, Client, Refused, wait_until
from compat_tests.disk.served import Served, differences, served, served_transaction
from compat_tests.disk.story import Chapter
from compat_tests.disk.subjects import Subject, take_over
from kwire.errors import ErrorCode


def swapped(chapter: Chapter, subject: Subject) -> tuple[str, list[str]]:
    """Let another broker take the directory over: what was counted, and the problems."""

    def now_served(client: Client) -> Served:
        names = chapter.served.transactions
        return served(client, story.topic_names(), chapter.served.groups, transactional_ids=names)

    take_over(subject, chapter.directory)
    subject.start()
    with Client(subject.port) as client:
        after = now_served(client)
        problems = differences(chapter.served, after) + ongoing.went_on(client, chapter.owners)
        problems += went_on(client, chapter, story.topic_names())
        problems += _transactions_went_on(client, subject.port, chapter)
        problems += compacted.went_on(client, subject)
        again = now_served(client)
    subject.stop()
    subject.start()
    with Client(subject.port) as client:
        once_more = now_served(client)
        problems += [f"after a restart: {text}" for text in differences(again, once_more)]
    subject.stop()
    return counted(after), problems


def counted(view: Served) -> str:
    """What a row of the table says of it."""
    names = len(view.groups), len(view.transactions)
    return f"{view.record_count} records in {len(view.partitions)} partitions, {names[0]} groups, {names[1]} txn ids"


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
        if topic not in (transactions.TOPIC, compacted.TOPIC, "idempotent", story.EMPTIED, *ongoing.TOPICS.values()):
            end = client.offset_at(topic, 0, LATEST)[1]
            batch = workload.plain_batch(topic, last + 1)
            expect(f"an append to {topic}", end, client.produce(topic, 0, batch))
    expect("the heartbeat of the member", 0, members.heartbeat(client, chapter.member))
    client.commit(story.LEFT_GROUP, "v2-gzip", {0: (77, -1, "after the swap")})
    found = client.committed(story.LEFT_GROUP)[("v2-gzip", 0)]
    expect("a commit after the swap", (77, -1, "after the swap"), found)
    return problems


def _transactions_went_on(client: Client, port: int, chapter: Chapter) -> list[str]:
    """The owners of the transactional ids come back: what is open is aborted, and each commits another transaction."""
    ends = [client.offset_at(transactions.TOPIC, p, LATEST)[1] for p in range(transactions.PARTITIONS)]
    names = [name for name in chapter.served.transactions if name not in ongoing.TOPICS.values()]
    for name in names:
        transactions.commit_one(f"127.0.0.1:{port}", name)

    def is_stable(partition: int) -> bool:
        stable = client.offset_at(transactions.TOPIC, partition, LATEST, committed=True)[1]
        return stable > ends[partition] and stable == client.offset_at(transactions.TOPIC, partition, LATEST)[1]

    def is_complete(name: str) -> bool:
        return served_transaction(client, name).state == "CompleteCommit"

    # The markers follow the answer to the commit.
    for partition in range(transactions.PARTITIONS):
        wait_until(partial(is_stable, partition), f"the markers of {transactions.TOPIC}-{partition}")
    problems: list[str] = []
    for name in names:
        was = chapter.served.transactions[name]
        wait_until(partial(is_complete, name), f"the end of the transaction of {name}")
        now = served_transaction(client, name)
        if now.producer_id != was.producer_id or now.producer_epoch <= was.producer_epoch:
            problems.append(f"transactional id {name} went on as {now}, it was {was}")
    return problems
