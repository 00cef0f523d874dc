"""Who listens on a port already, as far as /proc tells, for the message about a port that is in use."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence
from pathlib import Path

from kwire.config.endpoints import Endpoint

_LISTEN = "0A"


def port_refusal(error: OSError, endpoints: Sequence[Endpoint]) -> str:
    """A sentence about a listener that could not be bound: which, why, and what to do."""
    numbers = re.findall(r"[0-9]+", str(error))
    taken = [endpoint for endpoint in endpoints if str(endpoint.port) in numbers] or list(endpoints)
    ports = " or ".join(str(endpoint.port) for endpoint in taken)
    if error.errno == errno.EACCES:
        return f"port {ports} is not allowed to this user (ports below 1024 are the system's); give another --port"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{', '.join(map(str, taken))}: this machine has no such address"
    holders = [holder for endpoint in taken if (holder := port_holder(endpoint.port)) is not None]
    who = f" by {' and '.join(holders)}" if holders else " (ss -ltnp shows by whom)"
    return f"port {ports} is in use{who}; stop that, or give another --port (0 takes any free one)"


def port_holder(port: int) -> str | None:
    """`process 4711 (java)` for the process that listens on a TCP port; None when it cannot be seen from here."""
    inodes = _listening_inodes(port)
    if not inodes:
        return None
    links = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(process / "fd" / number) in links for number in os.listdir(process / "fd")):
                return f"process {process.name} ({(process / 'comm').read_text().strip()})"
        except OSError:
            continue  # another user's process, or one that has just ended
    return None


def _listening_inodes(port: int) -> set[str]:
    inodes: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = re.split(r"\s+", line.strip())
            if columns[3] == _LISTEN and int(columns[1].rpartition(":")[2], 16) == port:
                inodes.add(columns[9])
    return inodes
