"""The process that compacts: `python -m kwire.compaction.worker`, started by `log_cleaner`.

Standard input brings lines, each a JSON object: a job with its limits, or a new rate for the job at work. Standard
output takes the lines of `kwire.log.cleaning_job`, one for each finished group and one at the end, or one that says
what went wrong. It ends with its standard input, so it does not outlive its broker, be that killed or stopped.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from typing import Any

from kwire.log.cleaner import CleaningAborted, clean
from kwire.log.cleaning_job import parse_job, render_progress
from kwire.log.files import FILES
from kwire.log.offset_map import OffsetMap
from kwire.log.throttler import Throttler

NICENESS = 10
"""Brokers and their clients come first: where no core is free, compaction waits."""

_READ_BYTES = 1 << 16
_LONGEST_PAUSE_S = 0.5


class Worker:
    """Reads commands from one descriptor, writes progress to another."""

    def __init__(self, source: int, target: int) -> None:
        self._source = source
        self._target = target
        self._unread = b""
        self._throttler = Throttler(float("inf"))

    def run(self) -> None:
        """Work until the source ends."""
        while (command := self._next_command(None)) is not None:
            if "job" in command:
                self._compact(command)

    def _compact(self, command: dict[str, Any]) -> None:
        self._throttler.change(command["bytes_per_second"])
        try:
            offset_map = OffsetMap(command["map_bytes"], command["load_factor"])
            job = parse_job(command["job"])
            for progress in clean(job, FILES, offset_map, io_bytes=command["io_bytes"], pause=self._pause):
                self._say(render_progress(progress))
        except OSError as error:
            self._say(json.dumps({"error": str(error), "errno": error.errno}))
        except CleaningAborted:
            raise SystemExit from None
        except Exception as error:
            self._say(json.dumps({"error": f"{type(error).__name__}: {error}", "errno": None}))

    def _pause(self, size: int) -> None:
        """Keep to the rate, which may change meanwhile."""
        waited_since = time.monotonic()
        wait_s = self._throttler.pause_s(size, waited_since)
        while True:
            left_s = wait_s - (time.monotonic() - waited_since)
            while (command := self._next_command(min(max(left_s, 0.0), _LONGEST_PAUSE_S))) is not None:
                # Waiting at another rate begins anew.
                self._throttler.change(command["bytes_per_second"])
                left_s = wait_s = 0.0
            if left_s <= 0:
                return

    def _next_command(self, timeout_s: float | None) -> dict[str, Any] | None:
        """The next line; None when there is none within the time, or ever. CleaningAborted when that ends a job."""
        while b"\n" not in self._unread:
            if timeout_s is not None and not select.select([self._source], [], [], timeout_s)[0]:
                return None
            data = os.read(self._source, _READ_BYTES)
            if not data:
                if timeout_s is None:
                    return None
                raise CleaningAborted
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        command: dict[str, Any] = json.loads(line)
        return command

    def _say(self, line: str) -> None:
        data = line.encode() + b"\n"
        while data:
            data = data[os.write(self._target, data) :]


if __name__ == "__main__":
    os.nice(NICENESS)
    try:
        Worker(sys.stdin.fileno(), sys.stdout.fileno()).run()
    except (BrokenPipeError, KeyboardInterrupt):
        # The broker is gone, or the terminal's interrupt that was meant for it came here too.
        sys.exit(1)
