"""One running driver program: requests out, answers in, each within a deadline."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from compat_tests.clients.catalog import Client

ANSWER_S = 60.0


class DriverError(Exception):
    """The client failed, died, or did not answer in time."""


class Driver:
    """A driver process (see README.md); its standard error goes to `log`."""

    def __init__(self, client: Client, cache: Path, bootstrap: str, log: Path) -> None:
        modules = f"{cache}/node/node_modules:{cache}/node-confluent/node_modules"
        environment = os.environ | {"NODE_PATH": modules, "PYTHONDONTWRITEBYTECODE": "1"}
        self.client = client
        self._log = log.open("wb")
        self._process = subprocess.Popen(
            client.argv(cache, bootstrap),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            start_new_session=True,
        )
        self._pending = b""

    def ask(self, operation: str, **fields: Any) -> Any:
        """The driver's result for one request; raises DriverError."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"op": operation, **fields}).encode() + b"\n")
            self._process.stdin.flush()
        except (OSError, ValueError) as problem:  # ValueError: closed after an answer that did not come
            raise DriverError(f"the driver is gone: {problem}") from problem
        answer = json.loads(self._line(time.monotonic() + ANSWER_S, operation))
        if "error" in answer:
            raise DriverError(str(answer["error"]))
        return answer["ok"]

    def _line(self, deadline: float, operation: str) -> bytes:
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._pending:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    self.close()
                    raise DriverError(f"no answer to {operation} within {ANSWER_S:.0f} s")
                chunk = os.read(self._process.stdout.fileno(), 1 << 20)
                if not chunk:
                    raise DriverError(f"the driver ended with status {self._process.wait()} during {operation}")
                self._pending += chunk
        line, _, self._pending = self._pending.partition(b"\n")
        return line

    def close(self) -> None:
        """End the driver and whatever it started."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()
