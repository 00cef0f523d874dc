"""`python -m compat_tests.durability.kill9`: what a broker has acknowledged survives kill -9.

An idempotent producer (confluent-kafka) writes numbered records into every partition as fast as it can, and a consumer
group reads them and commits, while the broker is killed with SIGKILL at a random moment and started again on the same
directory, for a number of rounds. After each restart the committed offsets must be no lower than what was
acknowledged to the group before. At the end everything is read back: each acknowledged record is there exactly once,
in order.

Prints one line, `rounds=50 acked=N lost=0 duplicated=0 ...`, and then `N passed, N failed`: a round passes when the
broker came back and the committed offsets held, and the reading back counts as one more.
"""

from __future__ import annotations

import argparse
import itertools
import random
import shlex
import sys
import tempfile
import threading
import time
from pathlib import Path

from compat_tests.broker import BrokerError, KwireBroker
from compat_tests.durability.load import CommittingGroup, IdempotentLoad, create_topic, read_back

TOPIC, GROUP, PARTITIONS = "kill9", "kill9-group", 3
UPTIME_S = (0.2, 1.5)  # how long a broker lives under load
PROGRESS_S = 15.0  # how long a round waits for the clients to be back
EARLY = 0.2  # share of the rounds that do not wait: the kill may hit a broker that has only just started
DOWN_S = (0.0, 0.3)
FILLER_BYTES = 400


class Verdict:
    """What the rounds showed; every number but `acked` and `rounds` should be 0.

    An idle round is one in which nothing was acknowledged, the early ones mostly: it shows recovery, and no more.
    """

    def __init__(self) -> None:
        self.rounds = self.failed_rounds = self.idle_rounds = 0
        self.acked = self.lost = self.duplicated = self.out_of_order = self.commits_lost = 0
        self.committed = 0  # records in front of the group's last committed offsets
        self.problems: list[str] = []

    def line(self, **more: object) -> str:
        names = ("rounds", "acked", "lost", "duplicated", "out_of_order", "commits_lost", "idle_rounds")
        fields = {name: getattr(self, name) for name in names} | more
        return " ".join(f"{name}={value}" for name, value in fields.items())


def one_round(
    broker: KwireBroker, load: IdempotentLoad, group: CommittingGroup, chance: random.Random, verdict: Verdict
) -> None:
    """Let the load run, kill, restart, and compare the committed offsets with what was acknowledged."""
    before = load.total()
    deadline = time.monotonic() + (0 if chance.random() < EARLY else PROGRESS_S)
    while load.total() == before and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(chance.uniform(*UPTIME_S))
    broker.kill()
    verdict.idle_rounds += load.total() == before
    acknowledged = group.acknowledged()
    time.sleep(chance.uniform(*DOWN_S))
    broker.start()
    committed = group.committed_now()
    behind = {p: (committed.get(p, -1), o) for p, o in acknowledged.items() if committed.get(p, -1) < o}
    verdict.rounds += 1
    if behind:
        verdict.commits_lost += len(behind)
        verdict.failed_rounds += 1
        verdict.problems.append(f"round {verdict.rounds}: committed and acknowledged offsets by partition: {behind}")


def check_records(load: IdempotentLoad, stored: dict[int, list[tuple[int, int]]], verdict: Verdict) -> None:
    """Compare the (offset, number) in the log, by partition, with the numbers whose delivery was reported."""
    for partition in range(PARTITIONS):
        acknowledged, numbers = load.acknowledged(partition), [number for _, number in stored[partition]]
        found = set(numbers)
        lost = acknowledged.keys() - found
        verdict.acked += len(acknowledged)
        verdict.lost += len(lost)
        verdict.duplicated += len(numbers) - len(found)
        verdict.out_of_order += sum(later < earlier for earlier, later in itertools.pairwise(numbers))
        if lost:
            verdict.problems.append(f"partition {partition} lost {sorted(lost)[:10]}")


def run(options: argparse.Namespace) -> Verdict:
    folder = options.folder or Path(tempfile.mkdtemp(prefix="kwire-kill9-"))
    folder.mkdir(parents=True, exist_ok=True)
    launch = shlex.split(options.launch) if options.launch else None
    broker = KwireBroker(folder / "data", log=folder / "broker.log", launch=launch)
    chance, verdict = random.Random(options.seed), Verdict()
    broker.start()
    create_topic(broker.bootstrap, TOPIC, PARTITIONS)
    stop = threading.Event()
    load = IdempotentLoad(broker.bootstrap, TOPIC, PARTITIONS, FILLER_BYTES, stop)
    group = CommittingGroup(broker.bootstrap, TOPIC, GROUP, stop)
    try:
        load.start()
        group.start()
        for _ in range(options.rounds):
            one_round(broker, load, group, chance, verdict)
            print(".", end="", file=sys.stderr, flush=True)
        stop.set()
        load.join()
        group.join()
        verdict.problems += load.failures[:5] + group.failures[:5]
        verdict.committed = sum(max(0, offset) for offset in group.committed_now().values())
        check_records(load, read_back(broker.bootstrap, TOPIC, PARTITIONS), verdict)
    finally:
        stop.set()
        broker.kill()
    print(file=sys.stderr)
    return verdict


def main() -> int:
    parser = argparse.ArgumentParser(prog="compat_tests.durability.kill9", description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1, help="of the moments of killing (%(default)s)")
    parser.add_argument("--folder", type=Path, help="for the broker's directory and log (a temporary folder)")
    parser.add_argument("--launch", help="start this script with PORT DATADIR instead of kwire")
    options = parser.parse_args()
    began = time.monotonic()
    try:
        verdict = run(options)
    except BrokerError as problem:
        print(f"the broker did not come back: {problem}", file=sys.stderr)
        print("0 passed, 1 failed")
        return 1
    for text in verdict.problems:
        print(f"problem: {text}")
    print(verdict.line(committed=verdict.committed, seed=options.seed, seconds=round(time.monotonic() - began)))
    data_fails = bool(verdict.lost or verdict.duplicated or verdict.out_of_order or not verdict.acked)
    failed = verdict.failed_rounds + data_fails
    print(f"{verdict.rounds + 1 - failed} passed, {failed} failed")
    return 1 if failed or verdict.problems else 0


if __name__ == "__main__":
    sys.exit(main())
