"""`kafka.tools.DumpLogSegments` and `kwire dump-log --json` over the same files: complaints, and every field.

A line of Kafka's text that is not of a known form is a complaint, and so is whatever it writes to standard error.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from compat_tests.broker import kwire_command
from compat_tests.disk.apache import V39, V43, java

MAIN_CLASS = {V39: "kafka.tools.DumpLogSegments", V43: "org.apache.kafka.tools.DumpLogSegments"}
SUFFIXES = (".log", ".index", ".timeindex", ".txnindex", ".snapshot")
INDEXES = (".index", ".timeindex")
FILES_PER_RUN = 500
GAPS = "Non-consecutive offsets in "
TOMBSTONE = "<DELETE>"

_LOGGER_LINE = re.compile(r"SLF4J: |log4j:WARN |\[main\] INFO |WARNING: ")
_FORMS = {
    "file": re.compile(r"Dumping (?P<file>.*)"),
    "log": re.compile(r"Log starting offset: (?P<startingOffset>\d+)"),
    "empty": re.compile(r"(?P<text>.* is empty\.)"),
    "sane": re.compile(r"(?P<text>.* passed sanity check\.)"),
    "record": re.compile(
        r"\| offset: (?P<offset>\d+) (?P<timestampType>\w+): (?P<timestamp>-?\d+)"
        r" keySize: (?P<keySize>-?\d+) valueSize: (?P<valueSize>-?\d+)"
        r"(?: sequence: (?P<sequence>-?\d+) headerKeys: (?P<headerKeys>\[.*?\]))?"
        r"(?: endTxnMarker: (?P<endTxnMarker>\w+) coordinatorEpoch: (?P<coordinatorEpoch>-?\d+))?"
        r"(?: key: (?P<key>.*?))?(?: payload: (?P<payload>.*))?"
    ),
    "batch": re.compile(
        r"baseOffset: (?P<baseOffset>\d+) lastOffset: (?P<lastOffset>\d+) count: (?P<count>\d+)"
        r" baseSequence: (?P<baseSequence>-?\d+) lastSequence: (?P<lastSequence>-?\d+)"
        r" producerId: (?P<producerId>-?\d+) producerEpoch: (?P<producerEpoch>-?\d+)"
        r" partitionLeaderEpoch: (?P<partitionLeaderEpoch>-?\d+) isTransactional: (?P<isTransactional>\w+)"
        r" isControl: (?P<isControl>\w+) deleteHorizonMs: (?P<deleteHorizonMs>\S+) position: (?P<position>\d+)"
        r" (?P<timestampType>\w+): (?P<timestamp>-?\d+) size: (?P<size>\d+) magic: (?P<magic>\d)"
        r" compresscodec: (?P<compresscodec>\w+) crc: (?P<crc>\d+) isvalid: (?P<isvalid>true)"
    ),
    "offset index entry": re.compile(r"offset: (?P<offset>\d+) position: (?P<position>\d+)"),
    "time index entry": re.compile(r"timestamp: (?P<timestamp>-?\d+) offset: (?P<offset>\d+)"),
    "aborted transaction": re.compile(
        r"version: (?P<version>0) producerId: (?P<producerId>\d+) firstOffset: (?P<firstOffset>\d+)"
        r" lastOffset: (?P<lastOffset>\d+) lastStableOffset: (?P<lastStableOffset>\d+)"
    ),
    "producer": re.compile(
        r"producerId: (?P<producerId>\d+) producerEpoch: (?P<producerEpoch>-?\d+)"
        r" coordinatorEpoch: (?P<coordinatorEpoch>-?\d+) currentTxnFirstOffset: (?P<currentTxnFirstOffset>\S+)"
        r" lastTimestamp: (?P<lastTimestamp>-?\d+) ?(?:firstSequence: (?P<firstSequence>-?\d+)"
        r" lastSequence: (?P<lastSequence>-?\d+) lastOffset: (?P<lastOffset>-?\d+)"
        r" offsetDelta: (?P<offsetDelta>\d+) timestamp: (?P<timestamp>-?\d+))?"
    ),
}
_ONLY_IN_JSON = ("type", "headers")
_UNREADABLE = ("Unknown record type ", "Error at offset ")
"""How either tool begins what it shows in the place of a key, of a record that its decoder cannot read."""

Row = tuple[str, dict[str, str]]
"""Kind, and the fields as Kafka's text has them; those that are absent are left out."""


class Dump:
    """What one tool said of some files."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.complaints: list[str] = []


def files_in(directory: Path, *, internal: str | None = None, suffixes: Sequence[str] = SUFFIXES) -> list[Path]:
    """The files of all partitions but the internal topics', or of one of those alone."""
    found = []
    for path in sorted(directory.glob("*-*/*")):
        topic = path.parent.name.rpartition("-")[0]
        if path.suffix in suffixes and (topic == internal if internal else not topic.startswith("__")):
            found.append(path)
    return found


def kafka_dump(version: str, files: Sequence[Path], *flags: str) -> Dump:
    """What Kafka's tool says of the files."""
    dump = Dump()
    for at in range(0, len(files), FILES_PER_RUN):
        names = ",".join(map(str, files[at : at + FILES_PER_RUN]))
        command = java(version, MAIN_CLASS[version], *flags, "--files", names)
        command[1:1] = ["-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8"]
        read_kafka(_output(command), dump)
    return dump


def kwire_dump(files: Sequence[Path], *flags: str) -> Dump:
    """What `kwire dump-log --json` says of them."""
    dump = Dump()
    names = ",".join(map(str, files))
    done = _output([*kwire_command(), "dump-log", "--json", *flags, "--files", names])
    for line in done.stdout.splitlines():
        shown = json.loads(line)
        if shown["type"] == "complaint":
            dump.complaints.append(shown["text"])
        else:
            fields = {name: _java_text(name, value) for name, value in shown.items() if name not in _ONLY_IN_JSON}
            _add_row(dump, shown["type"], fields)
    dump.complaints += done.stderr.splitlines()
    return dump


def _add_row(dump: Dump, kind: str, fields: dict[str, str | None]) -> None:
    dump.rows.append((kind, {name: text for name, text in fields.items() if text is not None}))
    if (key := fields.get("key")) and key.startswith(_UNREADABLE):
        dump.complaints.append(key)


def missing_types(dump: Dump, values: Collection[int], tombstones: Collection[int]) -> Iterable[str]:
    """Types of a coordinator's records that should be in a decoded dump and are not, one sentence each."""
    found: dict[bool, set[int]] = {True: set(), False: set()}
    for _, fields in dump.rows:
        if fields.get("key", "").startswith("{"):
            found[fields["payload"] == TOMBSTONE].add(int(json.loads(fields["key"])["type"]))
    yield from (f"no record of type {number}" for number in sorted(set(values) - found[False]))
    yield from (f"no tombstone of type {number}" for number in sorted(set(tombstones) - found[True]))


def _output(command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, env=environment)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)[:300]} ended with status {done.returncode}: {done.stderr[-2000:]}")
    return done


def read_kafka(done: subprocess.CompletedProcess[str], dump: Dump) -> None:
    """Take in what Kafka's tool has printed."""
    for line in done.stdout.split("\n"):
        if not line or _LOGGER_LINE.match(line):
            continue
        for kind, form in _FORMS.items():
            found = form.fullmatch(line)
            if found:
                _add_row(dump, kind, found.groupdict())
                break
        else:
            dump.complaints.append(line)
    dump.complaints += [line for line in done.stderr.splitlines() if line and not _LOGGER_LINE.match(line)]


def _java_text(name: str, value: Any) -> str | None:
    """A JSON value as Java prints it; None for what it leaves out."""
    if name in ("deleteHorizonMs", "currentTxnFirstOffset"):
        return "OptionalLong.empty" if value is None else f"OptionalLong[{value}]"
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(map(str, value))}]"
    if isinstance(value, dict):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return str(value)


def differing_rows(kafka: Dump, kwire: Dump) -> Iterable[str]:
    """Where the two tools do not say the same, one sentence each."""
    if len(kafka.rows) != len(kwire.rows):
        yield f"Kafka's tool says {len(kafka.rows)} lines, kwire's {len(kwire.rows)}"
    where = ""
    for theirs, ours in zip(kafka.rows, kwire.rows, strict=False):
        if theirs[0] == "file":
            where = theirs[1]["file"]
        if theirs != ours:
            yield f"{where}: Kafka's tool says {theirs}, kwire's {ours}"


def real_complaints(complaints: Sequence[str], compacted: Sequence[str]) -> list[str]:
    """The complaints but for offsets that compaction took, and but for what 4.3.1 says of all logs.

    Its tool takes the -1 that it starts from for an offset, and finds a gap before any segment but the one at 0.
    """
    kept: list[str] = []
    heading = ""
    for line in complaints:
        if line.startswith(GAPS):
            heading = line
        elif not heading or not line.startswith("  "):
            heading = ""
            kept.append(line)
        elif not line.startswith("  -1 is followed by "):
            topic = Path(heading.removeprefix(GAPS)).parent.name.rpartition("-")[0]
            kept += [] if topic in compacted else [f"{heading}:{line}"]
    return kept
