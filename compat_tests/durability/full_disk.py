"""`python -m compat_tests.durability.full_disk`: a disk that fills up under load, and empties again.

The data directory lies on a small file system in memory. An idempotent producer writes; other files take the room that
is left; the broker goes on for a moment on the full disk and the room is given back, for a number of rounds. In two of
five the broker is left alone, and must go on by itself; in the others it is stopped or killed on the full disk, and
started again. At the end every acknowledged record must be at its offset, none twice, and `kwire log verify` must find
no damage.

Apache Kafka takes a log directory whose disk refuses a write offline until the next start, and halts when it was the
last one. kwire takes it offline too, says KAFKA_STORAGE_ERROR, and opens it again when there is room.

Mounting takes root; without it, the test enters a user namespace of its own by `unshare`.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from compat_tests.broker import BrokerError, KwireBroker
from compat_tests.durability.churn import Verdict, check_short_lived, verify
from compat_tests.durability.load import IdempotentLoad, create_topic, read_back

TOPIC, PARTITIONS, FILLER_BYTES = "filling", 2, 200
DISK_BYTES = 256 << 20
FILL_CHUNK = b"\0" * (1 << 16)
ON_FULL_S = (0.3, 1.5)
PROGRESS_S = 30.0
SMALL = {"internal.segment.bytes": "262144", "segment.index.bytes": "4096", "retention.ms": "-1"}
BUSY = {"log.flush.offset.checkpoint.interval.ms": "300"}
IN_NAMESPACE = "--in-namespace"


def fill(path: Path) -> int:
    """Take the room that is left on the disk of `path`; how many bytes."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(FILL_CHUNK)
        except OSError:
            return file.tell()


def wait_for_progress(load: IdempotentLoad, verdict: Verdict) -> None:
    before, deadline = load.total(), time.monotonic() + PROGRESS_S
    while load.total() == before:
        if time.monotonic() > deadline:
            verdict.problems.append(f"round {verdict.rounds}: nothing is acknowledged, though there is room again")
            return
        time.sleep(0.02)


def one_round(broker: KwireBroker, disk: Path, load: IdempotentLoad, chance: random.Random, verdict: Verdict) -> int:
    """Fill the disk, perhaps end the broker, give the room back; how many records the full disk acknowledged."""
    wait_for_progress(load, verdict)
    time.sleep(chance.uniform(0.1, 0.6))
    filler = disk / "filler"
    fill(filler)
    before = load.total()
    time.sleep(chance.uniform(*ON_FULL_S))
    fill(disk / "filler-2")  # what a roll has given back meanwhile
    verdict.rounds += 1
    end = chance.choice((broker.kill, broker.kill, broker.stop, None, None))
    if end is not None:
        end()
    meanwhile = load.total() - before
    filler.unlink()
    (disk / "filler-2").unlink()
    if end is not None:
        verify(broker.directory, verdict)
        broker.start()
    return meanwhile


def run(options: argparse.Namespace, disk: Path) -> Verdict:
    broker = KwireBroker(disk / "data", log=options.folder / "broker.log", options=BUSY)
    chance, verdict, stop = random.Random(options.seed), Verdict(), threading.Event()
    broker.start()
    try:
        create_topic(broker.bootstrap, TOPIC, PARTITIONS, SMALL)
        load = IdempotentLoad(broker.bootstrap, TOPIC, PARTITIONS, FILLER_BYTES, stop)
        load.start()
        for _ in range(options.rounds):
            one_round(broker, disk, load, chance, verdict)
            print(".", end="", file=sys.stderr, flush=True)
        wait_for_progress(load, verdict)
        stop.set()
        load.join()
        verdict.problems += load.failures[:5]
        check_short_lived(load, read_back(broker.bootstrap, TOPIC, PARTITIONS), verdict)
        if verdict.retained_away:
            verdict.problems.append(f"the logs start at {verdict.retained_away}, though nothing may be deleted")
        broker.stop()
        verify(broker.directory, verdict)
    finally:
        stop.set()
        broker.kill()
    print(file=sys.stderr)
    return verdict


def on_a_small_disk(options: argparse.Namespace) -> Verdict:
    """Mount the file system, run, unmount. Raises CalledProcessError when it cannot be mounted."""
    disk = options.folder / "disk"
    disk.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(disk)], check=True)
    try:
        return run(options, disk)
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=False)


def main() -> int:
    parser = argparse.ArgumentParser(prog="compat_tests.durability.full_disk", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="of the moments (%(default)s)")
    parser.add_argument("--folder", type=Path, help="for the disk and the broker's log (a temporary folder)")
    parser.add_argument(IN_NAMESPACE, action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if os.geteuid() != 0 and not options.in_namespace:
        if not shutil.which("unshare"):
            print("0 passed, 1 failed: neither root nor unshare is there to mount a small file system")
            return 1
        again = [sys.executable, "-m", "compat_tests.durability.full_disk", *sys.argv[1:], IN_NAMESPACE]
        return subprocess.run(["unshare", "--user", "--map-root-user", "--mount", *again], check=False).returncode
    options.folder = options.folder or Path(tempfile.mkdtemp(prefix="kwire-full-disk-"))
    began = time.monotonic()
    try:
        verdict = on_a_small_disk(options)
    except BrokerError as problem:
        print(f"the broker did not come back: {problem}", file=sys.stderr)
        print("0 passed, 1 failed")
        return 1
    for text in verdict.problems:
        print(f"problem: {text}")
    print(verdict.line(seed=options.seed, seconds=round(time.monotonic() - began)))
    failed = bool(verdict.problems or verdict.lost or verdict.duplicated or verdict.out_of_order or not verdict.acked)
    print(f"{verdict.rounds if not failed else 0} passed, {int(failed)} failed")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
