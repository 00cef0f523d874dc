"""All checks of one partition directory: its names, its log with indexes and snapshots, its epochs, its topic id."""

from __future__ import annotations

import os
from itertools import pairwise

from kwire.ids import ZERO_UUID
from kwire.log import leader_epochs
from kwire.log.checkpoints import PARTITION_METADATA, parse_partition_metadata
from kwire.log.files import (
    CLEANED_SUFFIX,
    DELETED_SUFFIX,
    LOG_SUFFIX,
    SEGMENT_SUFFIXES,
    SNAPSHOT_SUFFIX,
    SWAP_SUFFIX,
    parse_offset_name,
    parse_partition_directory,
)
from kwire.log.future_note import FUTURE_NOTE
from kwire.log.offline.stored_file import read_file
from kwire.log.offline.verify_producers import ProducerCheck
from kwire.log.offline.verify_report import DAMAGE, NOTE, WARNING, PartitionReport
from kwire.log.offline.verify_segment import LogWalk, Segment

_KNOWN = frozenset((leader_epochs.FILE_NAME, PARTITION_METADATA, FUTURE_NOTE, "quorum-state"))
"""The last one, and snapshots named `.checkpoint`, are those of KRaft's own log."""
_LEFT_OVER = {
    DELETED_SUFFIX: "a removed segment whose delay is not over, or a left-over: a start removes it",
    CLEANED_SUFFIX: "compaction's unfinished output: a start removes it",
    SWAP_SUFFIX: "compaction's finished output: a start puts it in its place",
}


def verify_partition(directory: str, *, clean: bool, deep: bool) -> PartitionReport:
    """Check everything that lies in a partition directory, changing nothing.

    `clean` says that its broker stopped cleanly, so that nothing may be unfinished. Raises OSError.
    """
    name = os.path.basename(os.path.normpath(directory))
    # A directory that was marked, for deletion say, has its topic's name in front.
    partition = parse_partition_directory(name) or parse_partition_directory(name.rpartition(".")[0])
    report = PartitionReport(name, directory)
    bases, snapshots = _check_names(report)
    first = bases[0] if bases else 0
    report.start_offset = report.end_offset = first
    producers = ProducerCheck(snapshots, first, report)
    walk = LogWalk(report, partition.topic if partition else "", producers, first, deep=deep)
    for base in bases:
        is_active = base == bases[-1]
        try:
            walk.check(Segment(base, is_active, may_be_torn=is_active and not clean))
        except FileNotFoundError as error:
            report.add(NOTE, "gone", str(error.filename), None, "the file went away meanwhile", "retention is at work")
    if report.first_damage is None:
        producers.finish(report.end_offset)
    _check_epochs(report, walk, clean=clean)
    _check_topic_id(report)
    return report


def _check_names(report: PartitionReport) -> tuple[list[int], dict[int, str]]:
    """Base offsets of the segments, and offset -> path of the snapshots; names that mean something are reported."""
    logs: set[int] = set()
    others: list[tuple[int, str]] = []
    snapshots: dict[int, str] = {}
    for name in sorted(os.listdir(report.directory)):
        path = os.path.join(report.directory, name)
        parsed = parse_offset_name(name)
        if parsed is None:
            if name.endswith(".tmp"):
                report.add(NOTE, "left-over", path, None, "a replacement that was not finished", "it is never read")
            elif name not in _KNOWN and not name.endswith(".checkpoint"):
                report.add(NOTE, "alien", path, None, "no file of a log has such a name", "brokers leave it alone")
            continue
        offset, suffix = parsed
        if suffix == LOG_SUFFIX:
            logs.add(offset)
        elif suffix == SNAPSHOT_SUFFIX:
            snapshots[offset] = path
        elif suffix in SEGMENT_SUFFIXES:
            others.append((offset, path))
        else:
            last = suffix[suffix.rindex(".") :]
            what = _LEFT_OVER.get(last)
            if what is None:
                report.add(NOTE, "alien", path, None, "no file of a log has such a name", "brokers leave it alone")
            else:
                report.add(WARNING if last == SWAP_SUFFIX else NOTE, "left-over", path, None, what, "see storage.md")
    for offset, path in others:
        if offset not in logs:
            report.add(
                WARNING,
                "orphan",
                path,
                None,
                "an index without its .log file",
                "a start removes the index; if the log was there once, its records are lost",
            )
    if not logs:
        report.add(NOTE, "empty", report.directory, None, "no segment is there", "the log begins anew at offset 0")
    return sorted(logs), snapshots


def _check_epochs(report: PartitionReport, walk: LogWalk, *, clean: bool) -> None:
    """`leader-epoch-checkpoint` against itself and against the batches.

    A running kwire writes the file with its next roll, flush or checkpoint: that it lacks is worth a warning only when
    nobody will write it any more.
    """
    path = os.path.join(report.directory, leader_epochs.FILE_NAME)
    try:
        data = read_file(path)
    except FileNotFoundError:
        if walk.epochs:
            report.add(
                WARNING if clean else NOTE,
                "epochs-missing",
                path,
                None,
                "batches have leader epochs, the file is not there",
                "followers cannot find where logs part; a recovery writes it anew",
            )
        return
    entries = leader_epochs.parse(data)

    def wrong(text: str) -> None:
        report.add(
            DAMAGE,
            "epochs-untrue",
            path,
            None,
            text,
            "followers and consumers may find a wrong place where logs part, and truncate what they should keep",
        )

    if not entries and data.split() not in ([], [b"0", b"0"]):
        report.add(
            DAMAGE,
            "epochs-corrupt",
            path,
            None,
            "the file is not version, count and lines of two numbers",
            "Kafka does not open the log; kwire takes the epochs from the batches it recovers",
        )
        return
    for before, after in pairwise(entries):
        if not (before[0] < after[0] and before[1] < after[1]):
            wrong(f"epoch {after[0]} from offset {after[1]} comes after epoch {before[0]} from {before[1]}")
    starts = dict(entries)
    for epoch, first_offset, offset_before in walk.epochs:
        start = starts.get(epoch)
        if start is None:
            # What DeleteRecords and retention let go of may still lie in the first segment.
            if not entries or epoch > entries[0][0]:
                wrong(f"epoch {epoch} begins at offset {first_offset} in the log and is missing")
        elif epoch != entries[0][0] and (start > first_offset or start <= offset_before):
            # The oldest one follows the log's start, and the file may not know yet that it has moved.
            wrong(f"epoch {epoch} begins at offset {start}, in the log at {first_offset}")
    if report.first_damage is None:
        for epoch, start in entries:
            if start > report.end_offset:
                wrong(f"epoch {epoch} begins at offset {start}, the log ends at {report.end_offset}")


def _check_topic_id(report: PartitionReport) -> None:
    path = os.path.join(report.directory, PARTITION_METADATA)
    try:
        data = read_file(path)
    except FileNotFoundError:
        report.add(
            NOTE,
            "topic-id-missing",
            path,
            None,
            "the directory does not say whose it is",
            "it is older than topic ids, or was never claimed: a broker writes it",
        )
        return
    if parse_partition_metadata(data) == ZERO_UUID:
        report.add(
            DAMAGE,
            "topic-id-corrupt",
            path,
            None,
            "there is no topic id in it",
            "Kafka takes the directory offline; kwire asks the cluster's metadata",
        )
