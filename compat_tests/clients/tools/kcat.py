"""Driver of kcat: each operation runs the program, and reads what it prints."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "python"))
from contract import DEADLINE_S, from_base64, record, serve

KCAT = ("kcat", "-b", sys.argv[1])
KEY, END = b"<|key|>", b"<|end|>"
# partition offset timestamp key-length value-length, then key, value and headers: lengths make it safe for any bytes.
FORMAT = "%p %o %T %K %S\\n%k%s%h\\n"


def run(*arguments: str, data: bytes | None = None) -> bytes:
    done = subprocess.run((*KCAT, *arguments), input=data, capture_output=True, timeout=DEADLINE_S, check=False)
    if done.returncode:
        raise RuntimeError(f"kcat {' '.join(arguments)}: {done.stderr.decode(errors='replace')[-300:]}")
    return done.stdout


def parsed(output: bytes) -> list[dict[str, Any]]:
    """Records of FORMAT; kcat shows a null as length -1."""
    records, position = [], 0
    while position < len(output):
        line_end = output.index(b"\n", position)
        partition, offset, timestamp, key_size, value_size = (int(f) for f in output[position:line_end].split())
        key_at = line_end + 1
        value_at = key_at + max(0, key_size)
        headers_at = value_at + max(0, value_size)
        key = None if key_size < 0 else output[key_at:value_at]
        value = None if value_size < 0 else output[value_at:headers_at]
        position = output.index(b"\n", headers_at) + 1
        pairs = [pair.split("=", 1) for pair in output[headers_at : position - 1].decode().split(",") if pair]
        headers = [(name, data.encode()) for name, data in pairs]
        records.append(record(partition, offset, timestamp, key, value, headers))
    return records


def produce(topic: str, partition: int, codec: str, records: list[dict[str, Any]]) -> None:
    """Runs of records with equal headers go through one kcat each: headers are options of the command line."""
    batches: list[tuple[list[Any], list[dict[str, Any]]]] = []
    for each in records:
        if not batches or batches[-1][0] != each["h"]:
            batches.append((each["h"], []))
        batches[-1][1].append(each)
    for headers, batch in batches:
        options = [f"-H{name}={(from_base64(value) or b'').decode()}" for name, value in headers]
        lines = b"".join((from_base64(r["k"]) or b"") + KEY + (from_base64(r["v"]) or b"") + END for r in batch)
        fixed = ("-P", "-t", topic, "-p", str(partition), "-z", codec, "-K", KEY.decode(), "-D", END.decode())
        run(*fixed, "-X", "acks=all", *options, data=lines)


def consume(topic: str, partitions: list[int], count: int) -> list[dict[str, Any]]:
    output = b"".join(run("-C", "-t", topic, "-p", str(p), "-o", "beginning", "-e", "-f", FORMAT) for p in partitions)
    return parsed(output)


def seek(topic: str, partitions: list[int], timestamp: int, count: int) -> list[dict[str, Any]]:
    output = b"".join(
        run("-C", "-t", topic, "-p", str(p), "-o", f"s@{timestamp}", "-e", "-f", FORMAT) for p in partitions
    )
    return parsed(output)


def take(topic: str, group: str, count: int) -> list[dict[str, Any]]:
    options = ("-X", "auto.offset.reset=earliest", "-c", str(count), "-f", FORMAT)
    return parsed(run("-G", group, *options, topic))


class Member:
    """kcat in a group: records on standard output, the assignment in its log."""

    def __init__(self, topic: str, group: str, folder: Path, number: int) -> None:
        self.output, self.log = folder / f"{number}.out", folder / f"{number}.log"
        command = (*KCAT, "-G", group, "-u", "-X", "auto.offset.reset=earliest", "-f", FORMAT, topic)
        with self.output.open("wb") as output, self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=log)

    def assigned(self) -> list[int]:
        events = re.findall(rb"rebalanced \(memberid [^)]*\): (assigned|revoked)(.*)", self.log.read_bytes())
        if not events or events[-1][0] == b"revoked":
            return []
        return sorted(int(p) for p in re.findall(rb"\[(\d+)\]", events[-1][1]))

    def close(self) -> list[dict[str, Any]]:
        self.process.terminate()
        self.process.wait(10)
        return parsed(self.output.read_bytes())


def group(topic: str, group: str, partitions: int, count: int) -> dict[str, Any]:
    deadline = time.monotonic() + DEADLINE_S
    with tempfile.TemporaryDirectory() as folder:
        members = [Member(topic, group, Path(folder), number) for number in range(3)]

        def settle() -> list[list[int]]:
            while True:
                shares = [member.assigned() for member in members]
                if all(shares) and sorted(p for share in shares for p in share) == list(range(partitions)):
                    return shares
                if time.monotonic() > deadline:
                    raise TimeoutError(f"assignments after {DEADLINE_S:.0f} s: {shares}")
                time.sleep(0.05)

        def read_all() -> list[dict[str, Any]]:
            while True:
                settle()
                records = [r for member in members for r in parsed_so_far(member.output)]
                if len({(r["p"], r["o"]) for r in records}) >= count:
                    return records
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{len(records)} records, {count} expected")
                time.sleep(0.05)

        try:
            three = settle()
            # All is read before one leaves: told to end, kcat seems to drop the record that it holds.
            records = read_all()
            members.pop().close()
            return {"three": three, "two": settle(), "records": records}
        finally:
            for member in members:
                member.close()


def parsed_so_far(output: Path) -> list[dict[str, Any]]:
    """What a running kcat has printed; the last record may be half written yet."""
    try:
        return parsed(output.read_bytes())
    except ValueError:
        return []


def create(topic: str, partitions: int) -> None:
    """Metadata of a topic that does not exist creates it, with the broker's number of partitions."""
    for _ in range(20):
        if b" 0 partitions" not in run("-L", "-X", "allow.auto.create.topics=true", "-t", topic):
            return
        time.sleep(0.2)
    raise TimeoutError("the topic was not created by first use")


def version() -> str:
    shown = subprocess.run(("kcat", "-V"), capture_output=True, text=True, check=True).stdout
    found = re.search(r"Version (\S+) .*librdkafka (\S+)", shown)
    return f"{found[1]} (librdkafka {found[2]})" if found else shown


serve(
    {
        "version": version,
        "create": create,
        "produce": produce,
        "consume": consume,
        "seek": seek,
        "take": take,
        "group": group,
    }
)
