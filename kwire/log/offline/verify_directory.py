"""All checks of a data directory: who it belongs to, its checkpoints against its logs, its partition directories."""

from __future__ import annotations

import fcntl
import os
import struct
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator

from kwire.ids import ZERO_UUID, TopicPartition
from kwire.log import checkpoints
from kwire.log.checkpoints import (
    CLEAN_SHUTDOWN,
    CLEANER_POINTS,
    HIGH_WATERMARKS,
    LOG_STARTS,
    META_PROPERTIES,
    PARTITION_METADATA,
    RECOVERY_POINTS,
    parse_meta_properties,
    parse_partition_metadata,
)
from kwire.log.directory import LOCK
from kwire.log.files import LOG_SUFFIX, parse_marked_directory, parse_partition_directory
from kwire.log.offline.stored_file import read_file
from kwire.log.offline.verify_partition import verify_partition
from kwire.log.offline.verify_report import DAMAGE, NOTE, WARNING, Finding, PartitionReport

_MARKED = {
    "-delete": "a deleted topic's: a broker removes it",
    "-future": "the copy of a partition that moves here from another directory",
    "-stray": "unknown to the cluster: put aside, nobody reads it",
}
_KNOWN = frozenset(
    (RECOVERY_POINTS, HIGH_WATERMARKS, LOG_STARTS, CLEANER_POINTS, META_PROPERTIES, CLEAN_SHUTDOWN, LOCK)
)
_FOREIGN = ("kwire-metadata.db", "bootstrap.checkpoint")
"""Metadata beside the logs: of kwire (with SQLite's journal behind the name), of KRaft."""


def is_partition_directory(directory: str) -> bool:
    """Whether the directory holds a log, rather than partition directories. Raises OSError."""
    name = os.path.basename(os.path.normpath(directory))
    return (parse_partition_directory(name) or parse_marked_directory(name)) is not None and any(
        entry.endswith(LOG_SUFFIX) or entry == PARTITION_METADATA for entry in os.listdir(directory)
    )


def is_data_directory(directory: str) -> bool:
    """Whether a broker's files or partition directories are in it. Raises OSError."""
    return any(name in _KNOWN or parse_partition_directory(name) is not None for name in os.listdir(directory))


def is_held(directory: str) -> bool:
    """Whether a running broker, kwire's or Kafka's, has the directory locked; asked without taking the lock.

    Known on Linux only, False elsewhere. Not for a process that holds such a lock itself: POSIX would drop it with the
    file that is closed here.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        fd = os.open(os.path.join(directory, LOCK), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        return bool(struct.unpack("hhqqi4x", fcntl.fcntl(fd, fcntl.F_GETLK, asked))[0] != fcntl.F_UNLCK)
    finally:
        os.close(fd)


def was_stopped_cleanly(directory: str) -> bool:
    """Whether the clean-shutdown marker is there."""
    return os.path.exists(os.path.join(directory, CLEAN_SHUTDOWN))


class DirectoryVerification:
    """The check of one data directory: iterate over `partitions`, then ask for `finish`."""

    def __init__(self, directory: str, *, deep: bool) -> None:
        self.directory = directory
        self.findings: list[Finding] = []
        self._deep = deep
        self._clean = was_stopped_cleanly(directory)
        self._reports: dict[TopicPartition, PartitionReport] = {}
        # Before the logs, which only grow: a checkpoint may lag behind its log, never the other way round.
        self._checkpoints = {
            name: self._read_checkpoint(name) for name in (RECOVERY_POINTS, HIGH_WATERMARKS, LOG_STARTS, CLEANER_POINTS)
        }

    def partitions(self) -> Iterator[PartitionReport]:
        """The report of each partition directory. Raises OSError."""
        for name in sorted(os.listdir(self.directory)):
            path = os.path.join(self.directory, name)
            partition = parse_partition_directory(name)
            marked = parse_marked_directory(name)
            if not os.path.isdir(path):
                if name not in _KNOWN and not name.startswith(_FOREIGN):
                    self._add(
                        NOTE, "alien", path, "no file of a data directory has such a name", "brokers leave it alone"
                    )
            elif partition is not None:
                report = verify_partition(path, clean=self._clean, deep=self._deep)
                self._reports[partition] = report
                self._check_offsets(partition, report)
                yield report
            elif marked is not None:
                self._add(NOTE, "marked", path, _MARKED[marked[1]], "it is not served")
            else:
                self._add(
                    WARNING,
                    "alien",
                    path,
                    "no partition directory has such a name",
                    "Kafka refuses to start on it; kwire leaves it alone",
                )

    def finish(self) -> list[Finding]:
        """What concerns the directory as a whole."""
        self._check_identity()
        self._check_topic_ids()
        for name, offsets in self._checkpoints.items():
            stray = sorted(offsets.keys() - self._reports.keys())
            if stray:
                others = f" and {len(stray) - 1} others are" if len(stray) > 1 else " is"
                self._add(
                    NOTE,
                    "checkpoint-stray",
                    os.path.join(self.directory, name),
                    f"{stray[0]}{others} listed without a directory",
                    "deleted, moved away, or not written to yet",
                )
        if is_held(self.directory):
            self._add(
                NOTE,
                "in-use",
                os.path.join(self.directory, LOCK),
                "a broker runs on this directory",
                "what it is writing may look unfinished",
            )
        elif not self._clean:
            self._add(
                NOTE,
                "unclean",
                os.path.join(self.directory, CLEAN_SHUTDOWN),
                "the last stop was not clean",
                "the next start recovers the logs from their recovery points",
            )
        return self.findings

    def _add(self, severity: str, kind: str, path: str, text: str, meaning: str) -> None:
        self.findings.append(Finding(severity, kind, path, None, text, meaning))

    def _read_checkpoint(self, name: str) -> dict[TopicPartition, int]:
        path = os.path.join(self.directory, name)
        try:
            offsets = checkpoints.parse_offsets(read_file(path))
        except FileNotFoundError:
            if name != CLEANER_POINTS:
                self._add(NOTE, "checkpoint-missing", path, "the file is not there", "a start takes it as empty")
            return {}
        except checkpoints.CorruptCheckpointError as error:
            self._add(
                DAMAGE,
                "checkpoint-corrupt",
                path,
                str(error),
                "a start takes it as empty: recovery reads every log, or deleted records come back",
            )
            return {}
        for partition, offset in offsets.items():
            if offset < 0:
                self._add(DAMAGE, "checkpoint-untrue", path, f"{partition} has offset {offset}", "no log has that")
        return offsets

    def _check_offsets(self, partition: TopicPartition, report: PartitionReport) -> None:
        """The partition's line in each checkpoint against its log."""
        start = self._checkpoints[LOG_STARTS].get(partition, 0)
        if start > report.start_offset:
            report.start_offset = min(start, report.end_offset)
        for name, means in (
            (RECOVERY_POINTS, "what was on the device below that offset is gone"),
            (HIGH_WATERMARKS, "records that consumers may have seen are gone"),
            (LOG_STARTS, "nothing of the log is left to read"),
            (CLEANER_POINTS, "compaction would begin behind the log"),
        ):
            offset = self._checkpoints[name].get(partition, 0)
            if offset > report.end_offset:
                cut = " as far as it is sound" if report.first_damage else ""
                report.add(
                    DAMAGE,
                    "checkpoint-untrue",
                    os.path.join(self.directory, name),
                    None,
                    f"{partition} has offset {offset}, its log ends at {report.end_offset}{cut}",
                    means,
                )

    def _check_identity(self) -> None:
        path = os.path.join(self.directory, META_PROPERTIES)
        try:
            found = parse_meta_properties(read_file(path))
        except FileNotFoundError:
            self._add(
                WARNING,
                "identity-missing",
                path,
                "the directory does not say whose it is",
                "any broker takes it as its own",
            )
            return
        version = found.get("version")
        number = found.get("node.id" if version == "1" else "broker.id")
        if version not in ("0", "1") or not found.get("cluster.id") or number is None or not number.isdecimal():
            self._add(
                DAMAGE,
                "identity-corrupt",
                path,
                f"version, cluster id or broker id cannot be read: {found}",
                "no broker starts on the directory",
            )

    def _check_topic_ids(self) -> None:
        by_topic: dict[str, dict[bytes, list[TopicPartition]]] = defaultdict(lambda: defaultdict(list))
        for partition, report in self._reports.items():
            try:
                data = read_file(os.path.join(report.directory, PARTITION_METADATA))
            except FileNotFoundError:
                continue
            topic_id = parse_partition_metadata(data)
            if topic_id != ZERO_UUID:
                by_topic[partition.topic][topic_id].append(partition)
        for topic, ids in by_topic.items():
            if len(ids) > 1:
                fewest = min(ids.values(), key=len)
                self._add(
                    DAMAGE,
                    "topic-id-differs",
                    self._reports[fewest[0]].directory,
                    f"the partitions of {topic} have {len(ids)} different topic ids",
                    "some belong to a deleted topic of the same name: a broker puts them aside",
                )


def twice_held(reports: Iterable[PartitionReport]) -> list[Finding]:
    """Partitions that lie in two of several data directories, which no broker starts on."""
    places: dict[str, list[str]] = defaultdict(list)
    for report in reports:
        places[report.name].append(report.directory)
    return [
        Finding(
            DAMAGE,
            "twice",
            directories[0],
            None,
            f"{name} lies in {' and '.join(directories)}",
            "no broker starts on both: move one away",
        )
        for name, directories in places.items()
        if len(directories) > 1
    ]
