"""A kwire broker in a process of its own, for tests that stop, kill and restart it."""

from __future__ import annotations

import os
import random
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

READY_S = 40.0


class BrokerError(Exception):
    """The broker did not start or did not stop."""


def free_port() -> int:
    """A port that nobody listens on now, from below the range that Linux gives to outgoing connections.

    Were it in that range, a client that tries to reconnect to a broker which is down could get the port for itself.
    """
    for port in random.sample(range(12_000, 32_000), 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise BrokerError("no free port between 12000 and 32000")


def kwire_command() -> list[str]:
    """How kwire is called: $KWIRE, or this interpreter's."""
    return shlex.split(os.environ.get("KWIRE", "")) or [sys.executable, "-m", "kwire"]


class KwireBroker:
    """`kwire start` on one port and directory, over and over; $KWIRE may name another executable.

    `options` are broker options by name. `launch` replaces the command line: it gets PORT DATADIR appended and stays in
    the foreground, as the scripts of bench/brokers do.
    """

    def __init__(
        self,
        directory: Path,
        *,
        log: Path,
        port: int | None = None,
        launch: list[str] | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.directory, self.port = directory, port or free_port()
        self._launch, self._log = launch, log
        self._overrides = [word for name, value in (options or {}).items() for word in ("-o", f"{name}={value}")]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def _command(self) -> list[str]:
        if self._launch:
            return [*self._launch, str(self.port), str(self.directory)]
        return [
            *kwire_command(),
            "start",
            "--port",
            str(self.port),
            "--data-dir",
            str(self.directory),
            *self._overrides,
        ]

    def start(self) -> float:
        """Start and wait until the port accepts connections; returns the seconds that took. Raises BrokerError."""
        began = time.monotonic()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command(), stdout=log, stderr=log, start_new_session=True)
        while time.monotonic() - began < READY_S:
            if self._process.poll() is not None:
                raise BrokerError(f"the broker ended with status {self._process.returncode}; see {self._log}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.01)
            else:
                return time.monotonic() - began
        self.kill()
        raise BrokerError(f"no port after {READY_S:.0f} s; see {self._log}")

    def kill(self) -> None:
        """SIGKILL to the broker and all that it started; nothing when it has ended."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when that does not end it; raises BrokerError in the second case."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
            raise BrokerError("the broker did not end after SIGTERM") from None
