"""What a suite is, and what it says of each of its tests."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

PASSED, FAILED, SKIPPED = "passed", "FAILED", "skipped"


class Outcome(NamedTuple):
    """One test: `result` is PASSED, FAILED or SKIPPED; `text` is the first line that says why, if it did not pass."""

    test: str
    result: str
    seconds: float
    text: str = ""


class Run(NamedTuple):
    """One run of a suite: the broker, where its files are, and where its logs go.

    `only` limits the run to tests whose name contains it; how narrow that gets is the suite's affair. `checkout` is the
    folder of sources that the user has named, for a suite that asks for one.
    """

    bootstrap: str
    cache: Path
    logs: Path
    only: str = ""
    checkout: str = ""


class Suite(NamedTuple):
    """A test suite that another project wrote. `installers` are brought to the cache before `run` is called.

    `checkout` is the environment variable that names a checkout of that project, if its tests are in no package.
    """

    name: str
    installers: tuple[str, ...]
    options: Mapping[str, str]
    run: Callable[[Run], Iterator[Outcome]]
    about: str
    checkout: str = ""


def call(
    argv: list[str], *, log: Path, seconds: float, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> tuple[int | None, str]:
    """Run a program with its output in `log`; its status (None: time was up, and it was killed) and that output."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        status: int | None = None
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            if status is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return status, log.read_text(errors="replace")
