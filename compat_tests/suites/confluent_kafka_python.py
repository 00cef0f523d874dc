"""confluent-kafka-python's integration tests, from a checkout of its repository: no package holds them.

Left out are those of the schema registry itself, and what needs OAuth or SASL servers. Tests that put the numbers of
schemas into records get a stand-in for a registry.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from compat_tests.suites.pytests import run_pytest
from compat_tests.suites.schema_registry import schema_registry
from compat_tests.suites.suite import Outcome, Run

CHECKOUT = "CONFLUENT_KAFKA_PYTHON"
SUITE_S = 7200
CORE = ("admin", "consumer", "producer", "serialization", "integration_test.py")
SHARE = ("share_consumer",)


def run(run: Run, *, parts: Sequence[str]) -> Iterator[Outcome]:
    """`parts` are folders and files of the integration tests."""
    with schema_registry() as url:
        yield from run_pytest(
            run,
            run.cache / "confluent-kafka-python-tests/bin/python",
            Path(run.checkout),
            [*(f"tests/integration/{part}" for part in parts), "--timeout=120"],
            {"BROKERS": run.bootstrap, "SR_URL": url},
            SUITE_S,
        )
