"""confluent-kafka-python's integration tests, from a checkout of its repository: no package holds them.

Left out are those that need a schema registry, OAuth or SASL servers, or start a broker of their own by other means.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from compat_tests.suites.pytests import run_pytest
from compat_tests.suites.suite import Outcome, Run

CHECKOUT = "CONFLUENT_KAFKA_PYTHON"
SUITE_S = 7200
CORE = ("admin", "consumer", "producer", "serialization", "integration_test.py")
SHARE = ("share_consumer",)


def run(run: Run, *, parts: Sequence[str]) -> Iterator[Outcome]:
    """`parts` are folders and files of the integration tests."""
    yield from run_pytest(
        run,
        run.cache / "confluent-kafka-python-tests/bin/python",
        Path(run.checkout),
        [*(f"tests/integration/{part}" for part in parts), "--timeout=120"],
        {"BROKERS": run.bootstrap},
        SUITE_S,
    )
