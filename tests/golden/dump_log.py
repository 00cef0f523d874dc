"""Records what Apache Kafka's DumpLogSegments prints of the sample directories: `python -m tests.golden.dump_log LIBS`.

LIBS is the folder of Kafka 4.3.1's jars. Writes `tests/log/samples/formats.tar.gz`, logs with every format and every
record of the internal topics, and `dump_log.jsonl.gz`: one object per call, with the flags, the files, what went to
standard output and to standard error. `DIR` stands for the directory that the samples were in.
"""

from __future__ import annotations

import gzip
import io
import json
import struct
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kwire.log.offline.record_decoders import GROUP_RECORDS, SHARE_STATE_RECORDS, TRANSACTION_RECORDS
from kwire.wire.control import build_control_batch
from kwire.wire.legacy import build_message_set
from kwire.wire.record_batch import LOG_APPEND_TIME, set_offset_and_epoch
from kwire.wire.records import Record, build_batch
from tests.archives import unpack
from tests.golden.check import read_vectors
from tests.log.offline.directories import SAMPLES, kafka_samples

HERE = Path(__file__).parent
OUTPUT = HERE / "dump_log.jsonl.gz"
FORMATS = SAMPLES / "formats.tar.gz"
NOW = 1_700_000_000_000
TOOL = "org.apache.kafka.tools.DumpLogSegments"
_NOISE = ("SLF4J", "log4j")

Call = tuple[list[str], list[str]]
"""Flags and files."""


def formats_log() -> bytes:
    """Every magic under every codec and timestamp type, odd keys, values and headers, and half a batch at the end."""
    rows = [
        (offset, NOW + offset, b"k%d" % offset if offset % 3 else None, b"v" * offset if offset % 4 else None)
        for offset in range(6)
    ]
    out = bytearray()
    base = 0
    for magic, codecs, types in ((0, 4, 1), (1, 4, 2)):
        for codec in range(codecs):
            for timestamp_type in range(types):
                records = [Record(base + offset, time, key, value, (), -1) for offset, time, key, value in rows]
                out += build_message_set(records, magic=magic, compression=codec, timestamp_type=timestamp_type)
                base += len(rows)
    headers = ((b"h1", b"x"), ("zwei-\u00e4".encode(), None), (b"", b""))
    for codec in range(5):
        for timestamp_type in (0, LOG_APPEND_TIME):
            built = build_batch(
                [
                    (NOW, b"k", "\u00e9\u20ac\x01".encode() + b"\xff", headers),
                    (NOW - 5, None, b"", ()),
                    (NOW + 5, b"", None, ()),
                ],
                compression=codec,
                timestamp_type=timestamp_type,
                producer_id=5 if codec else -1,
                producer_epoch=2 if codec else -1,
                base_sequence=0x7FFFFFFE if codec else -1,
            )
            set_offset_and_epoch(built, 0, base, 3)
            out += built
            base += 5
    return bytes(out + out[-90:-30])


def records_log(types: dict[int, tuple[str, str]], vectors: list[dict[str, Any]]) -> bytes:
    """Each vector of each record type as a record, a tombstone of each key, a type and a version that do not exist."""
    rows: list[tuple[bytes, bytes | None]] = []
    for number, (_, name) in sorted(types.items()):
        keys = [bytes.fromhex(vector["hex"]) for vector in vectors if vector["name"] == name + "Key"]
        values = [bytes.fromhex(vector["hex"]) for vector in vectors if vector["name"] == name + "Value"]
        keys = [struct.pack(">h", number) + key[2:] for key in keys]
        rows += [(keys[index % len(keys)], value) for index, value in enumerate(values)]
        rows.append((keys[0], None))
    rows.append((struct.pack(">h", 99), b"\0\0"))
    return bytes(build_batch([(NOW, key, value, ()) for key, value in rows]))


def control_log(vectors: list[dict[str, Any]]) -> bytes:
    """The control records of KRaft's own log."""
    out = bytearray()
    numbers = {
        "LeaderChangeMessage": 2,
        "SnapshotHeaderRecord": 3,
        "SnapshotFooterRecord": 4,
        "KRaftVersionRecord": 5,
        "VotersRecord": 6,
    }
    for vector in vectors:
        # Kafka's tool reads LeaderChangeMessage as version 0 whatever it says, and ends with an exception.
        if vector["name"] in numbers and vector["json"]["version"] == vector["version"] == 0:
            out += build_control_batch(numbers[vector["name"]], bytes.fromhex(vector["hex"]), timestamp=NOW)
            set_offset_and_epoch(memoryview(out), len(out) - _last_size(out), len(out), 1)
    return bytes(out)


def _last_size(log: bytearray) -> int:
    position = size = 0
    while position < len(log):
        size = int.from_bytes(log[position + 8 : position + 12]) + 12
        position += size
    return size


def write_formats() -> None:
    """Write the archive of formats."""
    vectors = [
        vector
        for vector in read_vectors(HERE / "messages.jsonl.gz")
        if vector["kind"] in ("default", "full", "nulls", "random") and vector.get("source") == "4.3.1"
    ]
    logs = {
        "formats-0": formats_log(),
        "__consumer_offsets-0": records_log(GROUP_RECORDS, vectors),
        "__transaction_state-0": records_log(TRANSACTION_RECORDS, vectors),
        "__share_group_state-0": records_log(SHARE_STATE_RECORDS, vectors),
        "__cluster_metadata-0": control_log(vectors),
    }
    with tarfile.open(FORMATS, "w:gz") as archive:
        for name, data in logs.items():
            entry = tarfile.TarInfo(f"formats/{name}/{0:020d}.log")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


def extract(directory: Path) -> Path:
    """All samples in `directory`."""
    kafka_samples(directory)
    return unpack(FORMATS, directory)


def calls(directory: Path) -> Iterator[Call]:
    """The calls to record."""

    def files(pattern: str, *suffixes: str) -> list[str]:
        return sorted(
            str(path.relative_to(directory))
            for path in directory.glob(pattern)
            if path.suffix.lstrip(".") in (suffixes or ("log", "index", "timeindex", "txnindex", "snapshot"))
        )

    yield [], files("clean-stop/*/*")
    yield ["--print-data-log"], files("clean-stop/*/*")
    yield ["--deep-iteration"], files("kill-9/*/*")
    yield ["--print-data-log", "--skip-record-metadata"], files("clean-stop/*/*", "log")
    yield ["--index-sanity-check"], files("clean-stop/*/*", "index", "timeindex")
    yield ["--verify-index-only"], files("clean-stop/*/*", "index", "timeindex")
    yield ["--max-bytes", "300"], files("clean-stop/*/*", "log")
    yield ["--max-message-size", "50"], files("clean-stop/lat-0/*")
    yield ["--print-data-log"], files("formats/formats-0/*")
    yield ["--deep-iteration", "--max-bytes", "2000"], files("formats/formats-0/*")
    for name, flag in (
        ("__consumer_offsets", "--offsets-decoder"),
        ("__transaction_state", "--transaction-log-decoder"),
        ("__share_group_state", "--share-group-state-decoder"),
    ):
        yield [flag], files(f"*/{name}-0/*", "log")
        yield [flag, "--skip-record-metadata"], files(f"formats/{name}-0/*", "log")
    yield ["--deep-iteration"], files("formats/__cluster_metadata-0/*")
    decoder = "org.apache.kafka.tools.api.LongDecoder"
    yield ["--value-decoder-class", "--key-decoder-class", decoder], files("clean-stop/__transaction_state-0/*", "log")


def run(libs: str, directory: Path, flags: list[str], files: list[str]) -> dict[str, Any]:
    """What Kafka's tool prints."""
    command = ["java", "-Dfile.encoding=UTF-8", "-XX:TieredStopAtLevel=1", "-cp", f"{libs}/*", TOOL]
    done = subprocess.run(
        [*command, "--files", ",".join(files), *flags], cwd=directory, capture_output=True, check=False
    )
    errors = [line for line in done.stderr.decode().split("\n") if not line.startswith(_NOISE)]
    return {
        "flags": flags,
        "files": files,
        "stdout": done.stdout.decode().replace(str(directory), "DIR"),
        "stderr": "\n".join(errors).replace(str(directory), "DIR"),
    }


def main() -> None:
    """Record everything anew."""
    write_formats()
    with tempfile.TemporaryDirectory() as name:
        directory = extract(Path(name).resolve())
        lines = [json.dumps(run(sys.argv[1], directory, *call), ensure_ascii=False) for call in calls(directory)]
    # No time in the header: the same text is the same file.
    OUTPUT.write_bytes(gzip.compress("\n".join(lines).encode() + b"\n", mtime=0))
    print(f"{len(lines)} calls")


if __name__ == "__main__":
    main()
