"""Histories of seeds: a failing one is found and cut short."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import pytest

from tests.histories import Failure, add_options, search, shortened

STEPS = ("append", "kill", "read", "flush", "append", "read", "kill", "stop")


def fails_behind_a_flush(seed: int, steps: Sequence[str] | None = None) -> Failure | None:
    """Every tenth seed fails with the first kill after a flush."""
    steps = STEPS if steps is None else steps
    if seed % 10 or "flush" not in steps or "kill" not in steps[steps.index("flush") :]:
        return None
    taken = list(steps[: steps.index("kill", steps.index("flush")) + 1])
    try:
        raise AssertionError("lost")
    except AssertionError as error:
        return Failure(seed, taken, taken, error)


def test_a_failing_history_is_cut_down_to_what_it_takes() -> None:
    found = fails_behind_a_flush(10)
    assert found is not None
    assert shortened(found, fails_behind_a_flush).steps == ["flush", "kill"]


@pytest.mark.parametrize(("wanted", "printed"), [("1", 1), ("2", 2), ("9", 3)])
def test_a_search_prints_what_it_finds(wanted: str, printed: int, capfd: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_options(parser)
    options = parser.parse_args(["--seeds", "30", "--seed", "1", "--failures", wanted])
    assert search("log", fails_behind_a_flush, options) == printed
    *failures, summary = capfd.readouterr().out.split("seed ")[1:][-1].splitlines()
    assert failures[1:3] == ["   0 flush", "   1 kill"]
    assert summary.startswith(f"log: 30 histories, {printed} broken promises, ")
