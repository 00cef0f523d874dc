"""Ten thousand clients at one broker, a process of its own: each is served, memory stays bounded, more are refused."""

from __future__ import annotations

import json
import re
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kwire.wire.codec import encode
from kwire.wire.header import request_header_bytes
from kwire.wire.messages.api_versions import ApiVersionsRequest
from tests.net.raw_client import RawClient

CLIENTS = 10_000
FILES = CLIENTS + 500
MOST_MEMORY_MB = 150


@contextmanager
def open_files(limit: int) -> Iterator[None]:
    """This process and those it starts may open so many files meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == resource.RLIM_INFINITY or hard >= limit, f"this test needs {limit} open files, {hard} are allowed"
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit if soft < limit else soft, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def memory_mb(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def test_ten_thousand_clients_are_served_and_one_more_is_refused() -> None:
    body = encode(ApiVersionsRequest(client_software_name="crowd", client_software_version="1"), 3)
    frame = request_header_bytes(18, 3, 1, "crowd") + body
    request = len(frame).to_bytes(4, "big") + frame
    command = [sys.executable, "-m", "kwire", "start", "--ephemeral", "--log-format", "json"]
    options = ["--listeners", "PLAINTEXT://127.0.0.1:0", "-o", f"max.connections={CLIENTS + 1}"]
    with open_files(FILES), subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as broker:
        crowd: list[socket.socket] = []
        try:
            assert broker.stdout is not None
            port = int(json.loads(broker.stdout.readline())["listeners"][0].rpartition(":")[2])
            with RawClient(port) as bystander:
                for _ in range(CLIENTS):
                    client = socket.create_connection(("127.0.0.1", port), timeout=30)
                    crowd.append(client)
                    client.sendall(request)
                for client in crowd:
                    assert client.recv(65536)
                assert memory_mb(broker.pid) < MOST_MEMORY_MB
                with socket.create_connection(("127.0.0.1", port), timeout=30) as refused:
                    assert refused.recv(1) == b""
                assert bystander.ask(18, 3, ApiVersionsRequest(client_software_name="a", client_software_version="1"))
                for client in crowd[:: CLIENTS // 100]:
                    client.sendall(request)
                    assert client.recv(65536)
        finally:
            for client in crowd:
                client.close()
            broker.terminate()
    assert broker.returncode == 0
