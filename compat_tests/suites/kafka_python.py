"""kafka-python's integration tests, from its source distribution, against a broker that is up (`KAFKA_URI`)."""

from __future__ import annotations

from collections.abc import Iterator

from compat_tests.suites.pytests import run_pytest
from compat_tests.suites.suite import Outcome, Run

KAFKA_VERSION = "4.3.1"
SUITE_S = 900


def run(run: Run) -> Iterator[Outcome]:
    home = run.cache / "kafka-python-tests"
    yield from run_pytest(
        run,
        home / "bin/python",
        home / "source",
        ["test/integration", "--timeout=120"],
        {
            "KAFKA_URI": f"kafka://{run.bootstrap}",
            "KAFKA_VERSION": KAFKA_VERSION,
            "KAFKA_ROOT": str(home),  # Has to be a folder; what would be in it starts brokers.
            "PROJECT_ROOT": str(home / "source"),
        },
        SUITE_S,
    )
