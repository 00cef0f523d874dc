"""What loading the plugin costs those who have kwire installed, and that pytest finds its fixtures."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

NEWLY_IMPORTED = """
import sys, pytest
before = set(sys.modules)
import kwire.testing.plugin
print(*sorted(set(sys.modules) - before))
"""


def test_loading_the_plugin_imports_nothing_else() -> None:
    result = subprocess.run([sys.executable, "-c", NEWLY_IMPORTED], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["kwire", "kwire.testing", "kwire.testing.plugin"]


USERS_TEST = """
import pytest
from confluent_kafka.admin import AdminClient

@pytest.fixture
def kwire_options():
    return {"broker.id": "7"}

def test_it(kwire_broker):
    admin = AdminClient({"bootstrap.servers": kwire_broker.bootstrap_servers})
    assert list(admin.list_topics(timeout=20).brokers) == [7]
"""


def test_a_users_test_gets_the_fixture_and_sets_options(tmp_path: Path) -> None:
    (tmp_path / "test_theirs.py").write_text(USERS_TEST)
    plugin = (
        [] if "kwire" in {entry.name for entry in entry_points(group="pytest11")} else ["-p", "kwire.testing.plugin"]
    )
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *plugin, "-q", "-W", "error", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in result.stdout, result.stdout + result.stderr
