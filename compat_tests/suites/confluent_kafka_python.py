"""confluent-kafka-python's integration tests, from a checkout of its repository: no package holds them.

Left out are those that need a schema registry, OAuth or SASL servers, or start a broker of their own by other means.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from compat_tests.suites.pytests import run_pytest
from compat_tests.suites.suite import Outcome, Run

CHECKOUT = "CONFLUENT_KAFKA_PYTHON"
SUITE_S = 3600
LEFT_OUT = ("schema_registry", "share_consumer_oauth", "share_consumer_sasl")


def run(run: Run, *, group_protocol: str = "classic") -> Iterator[Outcome]:
    folder = "tests/integration"
    yield from run_pytest(
        run,
        run.cache / "confluent-kafka-python-tests/bin/python",
        Path(run.checkout),
        [folder, *(f"--ignore={folder}/{name}" for name in LEFT_OUT), "--timeout=120"],
        {"BROKERS": run.bootstrap, "TEST_CONSUMER_GROUP_PROTOCOL": group_protocol},
        SUITE_S,
    )
