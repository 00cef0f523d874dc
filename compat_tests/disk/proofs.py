"""The proofs in their order; each adds its rows to the report. What one of them writes the next ones read."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

from compat_tests.broker import kwire_command
from compat_tests.disk import (
    compacted,
    compaction,
    dumps,
    equality,
    kinds,
    kinds_swap,
    kraft,
    old_formats,
    story,
    swap,
    workload,
)
from compat_tests.disk.apache import V39, V43, Kafka43
from compat_tests.disk.client import Client
from compat_tests.disk.report import Report
from compat_tests.disk.story import Chapter, Story
from compat_tests.disk.subjects import KafkaSubject, KwireSubject, Subject

KINDS = "kinds"
"""The folder of the directory with groups of every kind."""

DUMPS, EQUALITY, SWAP, KRAFT = "dumps", "equality", "swap", "kraft"
OLD_FORMATS, COMPACTION = "old-formats", "compaction"
ALL = (EQUALITY, SWAP, OLD_FORMATS, KRAFT, COMPACTION, DUMPS)

DEEP = ("--deep-iteration", "--print-data-log")
COMPACTED_TOPICS = (compacted.TOPIC, compaction.TOPIC)


class Stage:
    """One run: its folder, its report, and the data directories that kwire has written to."""

    def __init__(self, folder: Path, report: Report) -> None:
        self.folder, self.report = folder, report
        self.written_by_kwire: list[Path] = []

    def attempt(self, proof: str, work: Callable[[], tuple[str, list[str]]]) -> None:
        """A row of (counts, problems); an error on the way is a problem too."""
        try:
            counts, problems = work()
        except Exception as error:  # Whatever it is: the other proofs are still to be tried.
            counts, problems = "", [f"{type(error).__name__}: {error}"]
        self.report.add(proof, counts, problems)


def run(chosen: Collection[str], folder: Path, report: Report, *, compaction_records: int) -> None:
    """The chosen proofs; that of compaction with so many records."""
    stage = Stage(folder, report)
    if {EQUALITY, SWAP, DUMPS} & set(chosen):
        stories: dict[str, Story] = {}
        stage.attempt("kwire writes", lambda: _write(stage, KwireSubject, stories))
        stage.attempt(f"Kafka {V39} writes", lambda: _write(stage, KafkaSubject, stories))
        if len(stories) == 2:
            _with_stories(stage, chosen, stories)
    if OLD_FORMATS in chosen:
        stage.attempt(f"Kafka {V39} -> kwire, magic 0 and 1", lambda: old_formats.swap(stage.folder / OLD_FORMATS))
    if KRAFT in chosen:
        for killed in (False, True):
            _kraft(stage, killed)
        every_kind = stage.folder / "every-kind"
        stage.attempt(f"Kafka {V43} -> kwire, every kind of group", lambda: kinds_swap.into_kwire(every_kind / "kwire"))
        stage.attempt(
            f"kwire -> Kafka {V43}, every kind of group", lambda: kinds_swap.into_kafka43(every_kind / "kafka")
        )
    if COMPACTION in chosen:
        stage.attempt("compaction: survivors", lambda: _compaction(stage, compaction_records))
    if DUMPS in chosen:
        every_kind = stage.folder / KINDS
        stage.attempt("kwire writes, every kind of group", lambda: _kinds(stage, every_kind))
        _dumps(stage)
        _dumps_of_kinds(stage, every_kind / "data")


def _write(
    stage: Stage, make: type[KwireSubject] | type[KafkaSubject], stories: dict[str, Story]
) -> tuple[str, list[str]]:
    subject = make(stage.folder / make.name)
    try:
        told = stories[make.name] = story.write(subject, stage.folder / f"{make.name}-left")
    finally:
        subject.close()
    if make is KwireSubject:
        stage.written_by_kwire += [told.clean.directory.path, told.killed.directory.path]
    return f"{told.requests} requests, {told.killed.served.record_count} records", []


def _with_stories(stage: Stage, chosen: Collection[str], stories: dict[str, Story]) -> None:
    ours, theirs = stories[KwireSubject.name], stories[KafkaSubject.name]
    _with_chapters(stage, chosen, ours.clean, theirs.clean, "clean stop")
    _with_chapters(stage, chosen, ours.killed, theirs.killed, "kill -9")


def _with_chapters(stage: Stage, chosen: Collection[str], ours: Chapter, theirs: Chapter, how: str) -> None:
    if EQUALITY in chosen:
        stage.attempt(f"equal files, {how}", lambda: _equality(ours, theirs, closed=how != "kill -9"))
    if SWAP in chosen:
        into = {name: stage.folder / f"into-{name}-{how.split()[0]}" for name in ("kafka", "kwire")}
        stage.attempt(f"kwire -> Kafka {V39}, {how}", lambda: _swap(ours, KafkaSubject, into["kafka"]))
        stage.attempt(f"Kafka {V39} -> kwire, {how}", lambda: _swap(theirs, KwireSubject, into["kwire"]))
        stage.written_by_kwire.append(into["kwire"] / "data")
        imported = stage.folder / f"imported-{how.split()[0]}"
        stage.attempt(f"kwire log import, {how}", lambda: kraft.into_kwire(theirs, imported, story.topic_names()))


def _equality(ours: Chapter, theirs: Chapter, *, closed: bool) -> tuple[str, list[str]]:
    compared = equality.Compared()
    for topic in workload.topics():
        equality.compare_topic(ours.directory.path, theirs.directory.path, topic, compared, closed=closed)
    return compared.counts(), compared.problems


def _swap(chapter: Chapter, make: type[KwireSubject] | type[KafkaSubject], folder: Path) -> tuple[str, list[str]]:
    subject: Subject = make(folder)
    try:
        return swap.swapped(chapter, subject)
    finally:
        subject.close()


def _kraft(stage: Stage, killed: bool) -> None:
    how = "kill -9" if killed else "clean stop"

    def write(broker: kraft.Broker, name: str) -> Chapter:
        try:
            return kraft.write(broker, stage.folder / f"{name}-left", killed=killed)
        finally:
            broker.kill()

    def to_kwire() -> tuple[str, list[str]]:
        name = f"kafka-{V43}-{how.split()[0]}"
        return kraft.into_kwire(write(Kafka43(stage.folder / name), name), stage.folder / f"{name}-into-kwire")

    def to_kafka() -> tuple[str, list[str]]:
        name = f"kwire-{V43}-{how.split()[0]}"
        stage.written_by_kwire.append(stage.folder / f"{name}-left")
        return kraft.into_kafka43(write(KwireSubject(stage.folder / name), name), stage.folder / f"{name}-into-kafka")

    stage.attempt(f"Kafka {V43} -> kwire, {how}", to_kwire)
    stage.attempt(f"kwire -> Kafka {V43}, {how}", to_kafka)


def _compaction(stage: Stage, records: int) -> tuple[str, list[str]]:
    made = list(compaction.batches(records))
    found = []
    for make in (KafkaSubject, KwireSubject):
        subject: Subject = make(stage.folder / f"compaction-{make.name}")
        try:
            subject.start()
            compaction.write(subject, made)
            found.append(compaction.survivors(subject))
            subject.stop()
        finally:
            subject.close()
    stage.written_by_kwire.append(subject.data)
    kafka, kwire = found
    tombstones = sum(value is None for _, _, value, _ in kwire.records)
    counts = f"{kwire.end} records, {len(kwire.records)} survive, {tombstones} of them tombstones"
    return counts, compaction.problems_with(kafka, kwire)


def _kinds(stage: Stage, folder: Path) -> tuple[str, list[str]]:
    """Groups of every kind, in a directory of their own."""
    subject = KwireSubject(folder, **kinds.BROKER_OPTIONS)
    try:
        subject.start()
        with Client(subject.port) as client:
            kinds.create_topics(client)
            kinds.write(client)
            counts = f"{len(client.groups())} groups"
        subject.stop()
    finally:
        subject.close()
    stage.written_by_kwire.append(subject.data)
    return counts, []


def _dumps(stage: Stage) -> None:
    """Kafka's tools, and kwire's, over every directory that kwire has written to."""
    data: list[Path] = []
    indexes: list[Path] = []
    groups: list[Path] = []
    states: list[Path] = []
    for directory in stage.written_by_kwire:
        data += dumps.files_in(directory)
        indexes += dumps.files_in(directory, suffixes=dumps.INDEXES)
        if directory.parent.name != KINDS:  # Those are not known to 3.9.2.
            groups += dumps.files_in(directory, internal="__consumer_offsets", suffixes=(".log",))
        states += dumps.files_in(directory, internal="__transaction_state", suffixes=(".log",))
    stage.attempt("DumpLogSegments: every file", lambda: _dump(data, DEEP))
    stage.attempt("DumpLogSegments: index sanity", lambda: _dump(indexes, ("--index-sanity-check",)))
    decoded = ("--deep-iteration", "--offsets-decoder")
    stage.attempt("DumpLogSegments: groups", lambda: _dump(groups, decoded, wanted=((1, 2), ())))
    how, wanted = ("--deep-iteration", "--transaction-log-decoder"), ((0,), ())
    stage.attempt("DumpLogSegments: transactions", lambda: _dump(states, how, same_in=(V43,), wanted=wanted))
    stage.attempt("kwire log verify", lambda: _verify(stage.written_by_kwire))


def _dumps_of_kinds(stage: Stage, directory: Path) -> None:
    """What 4.3.1 alone knows: the records of the newer kinds of groups, and of share partitions."""
    for topic, flag in (
        ("__consumer_offsets", "--offsets-decoder"),
        ("__share_group_state", "--share-group-state-decoder"),
    ):
        files = dumps.files_in(directory, internal=topic, suffixes=(".log",))
        wanted = kinds.RECORD_TYPES[topic], kinds.TOMBSTONES[topic]
        work = partial(_dump, files, ("--deep-iteration", flag), by=(V43,), wanted=wanted)
        stage.attempt(f"DumpLogSegments: {topic}, every kind", work)


def _dump(
    files: Sequence[Path],
    flags: Sequence[str],
    *,
    by: Collection[str] = (V39, V43),
    same_in: Collection[str] = (V39, V43),
    wanted: tuple[Collection[int], Collection[int]] = ((), ()),
) -> tuple[str, list[str]]:
    """No complaint of the versions `by`, and the fields of those in `same_in` are kwire's: the others' text differs.

    `wanted` are the types of coordinator records of which there have to be a value, and a tombstone.
    """
    ours = dumps.kwire_dump(files, *flags)
    problems = list(dumps.missing_types(ours, *wanted))
    for version in by:
        theirs = dumps.kafka_dump(version, files, *flags)
        problems += [f"{version}: {line}" for line in dumps.real_complaints(theirs.complaints, COMPACTED_TOPICS)]
        if version in same_in:
            problems += [f"{version}: {text}" for text in dumps.differing_rows(theirs, ours)]
    problems += [f"kwire: {line}" for line in dumps.real_complaints(ours.complaints, COMPACTED_TOPICS)]
    return f"{len(files)} files, {len(ours.rows)} lines of kwire's tool and of {', '.join(by)}'s", problems


def _verify(directories: Sequence[Path]) -> tuple[str, list[str]]:
    problems: list[str] = []
    for directory in directories:
        command = [*kwire_command(), "log", "verify", "--deep", str(directory)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        problems += [done.stdout + done.stderr] if done.returncode else []
    return f"{len(directories)} directories", problems
