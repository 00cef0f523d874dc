"""`python -m compat_tests.matrix`: every stock client against one broker, as one table.

Without --bootstrap a kwire broker is started on a fresh directory and a free port. The clients are dealt out over two
workers, the quick ones first; what they wrote is then read by three of them. The last line is `N passed, N failed`; the
exit status is 1 when anything failed, a client that could not be installed included. Nothing is skipped: what a client
cannot do at all is shown as n/a, with the reason below the table.
"""

from __future__ import annotations

import argparse
import queue
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from compat_tests.broker import KwireBroker
from compat_tests.clients.catalog import CLIENTS, CODECS, Client
from compat_tests.clients.checks import Cell, ClientChecks, cross_read
from compat_tests.clients.driver import Driver, DriverError
from compat_tests.clients.install import default_cache, install
from compat_tests.clients.table import print_table

HELPER = "confluent-kafka"
READERS = ("confluent-kafka", "java-4.3.1", "franz-go")
CHECKS = ("create", *CODECS, "group", "resume", "seek")
WORKERS = 2
T = TypeVar("T")


class Matrix:
    """One run: the cells found so far, and what was written for the others to read."""

    def __init__(self, bootstrap: str, cache: Path, logs: Path, chosen: list[Client]) -> None:
        self.bootstrap, self.cache, self.logs, self.chosen = bootstrap, cache, logs, chosen
        self.run_id = f"{int(time.time()) % 1_000_000:06d}"
        self.start_ms = (int(time.time()) - 3600) * 1000  # old enough to hold no record of the future
        self.cells: list[Cell] = []
        self.writers: list[ClientChecks] = []
        self.versions: dict[str, str] = {}
        self._by_name = {client.name: client for client in CLIENTS}

    def driver(self, name: str, role: str) -> Driver:
        return Driver(self._by_name[name], self.cache, self.bootstrap, self.logs / f"{role}-{name}.log")

    def check(self, client: Client) -> None:
        """All checks of one client, with a driver and a helper of its own."""
        began = time.monotonic()
        helper, driver = self.driver(HELPER, f"for-{client.name}"), self.driver(client.name, "checks")
        try:
            self.versions[client.name] = driver.ask("version")
            checks = ClientChecks(client, driver, helper, self.run_id, self.start_ms)
            self.cells += checks.run()
            self.writers.append(checks)
        except DriverError as problem:
            self.cells.append(Cell(client.name, "start", "FAIL", time.monotonic() - began, str(problem)))
        finally:
            driver.close()
            helper.close()
        print(f"  {client.name}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)

    def read_by(self, name: str) -> None:
        reader = self.driver(name, "reads")
        try:
            for writer in self.writers:
                self.cells.append(cross_read(reader, writer))
        finally:
            reader.close()

    def run(self) -> None:
        in_parallel(self.check, self.chosen)
        in_parallel(self.read_by, READERS)


def in_parallel(work: Callable[[T], None], items: Iterable[T]) -> None:
    """Deal the items out over the workers, in order."""
    waiting: queue.SimpleQueue[T] = queue.SimpleQueue()
    for item in items:
        waiting.put(item)

    def worker() -> None:
        while True:
            try:
                item = waiting.get_nowait()
            except queue.Empty:
                return
            work(item)

    threads = [threading.Thread(target=worker) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="compat_tests.matrix", description="Every stock client against one broker.")
    names = [client.name for client in CLIENTS]
    parser.add_argument("--bootstrap", metavar="HOST:PORT", help="use this broker instead of starting kwire")
    parser.add_argument("--client", action="append", choices=names, help="only this client; may be repeated")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="for installed clients (%(default)s)")
    parser.add_argument("--logs", type=Path, help="for the logs of clients and broker (a temporary folder)")
    parser.add_argument("--install-only", action="store_true", help="install the clients and end")
    return parser.parse_args()


def run_matrix(options: argparse.Namespace, clients: list[Client], logs: Path) -> Matrix:
    """Run against the named broker, or against a kwire that is started for it and stopped afterwards."""
    if options.bootstrap:
        matrix = Matrix(options.bootstrap, options.cache, logs, clients)
        matrix.run()
        return matrix
    with tempfile.TemporaryDirectory(prefix="kwire-compat-") as folder:
        broker = KwireBroker(Path(folder), log=logs / "broker.log")
        broker.start()
        try:
            matrix = Matrix(broker.bootstrap, options.cache, logs, clients)
            matrix.run()
        finally:
            broker.stop()
    return matrix


def main() -> int:
    options = arguments()
    began = time.monotonic()
    by_name = {client.name: client for client in CLIENTS}
    chosen = [client for client in CLIENTS if not options.client or client.name in options.client]
    problems = install({client.installer for client in [*chosen, *(by_name[name] for name in READERS)]}, options.cache)
    for name, problem in problems.items():
        print(f"cannot install {name}: {problem}", file=sys.stderr)
    if options.install_only:
        return 1 if problems else 0
    if any(by_name[name].installer in problems for name in READERS):
        print(f"0 passed, {len(chosen)} failed")
        return 1
    installed = time.monotonic()
    logs = options.logs or Path(tempfile.mkdtemp(prefix="kwire-compat-logs-"))
    logs.mkdir(parents=True, exist_ok=True)
    matrix = run_matrix(options, [client for client in chosen if client.installer not in problems], logs)
    times = f"{installed - began:.0f} s to install, {time.monotonic() - installed:.0f} s to run"
    print(f"{matrix.bootstrap}: {times}; logs in {logs}\n")
    return 1 if print_table(chosen, CHECKS, READERS, matrix.cells, matrix.versions) else 0


if __name__ == "__main__":
    sys.exit(main())
