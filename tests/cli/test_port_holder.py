"""What is said about a port that cannot be had."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from kwire.cli.port_holder import port_holder, port_refusal
from kwire.config.endpoints import Endpoint


def test_the_holder_of_a_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert (port_holder(port) or "").startswith(f"process {os.getpid()} (")
        error = OSError(errno.EADDRINUSE, f"listener PLAINTEXT: port {port} is taken")
        endpoints = [Endpoint("A", "", 1, "PLAINTEXT"), Endpoint("B", "", port, "PLAINTEXT")]
        assert port_refusal(error, endpoints).startswith(f"port {port} is in use by process {os.getpid()} (")
    assert port_holder(port) is None


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.EACCES, "port 80 is not allowed to this user"),
        (errno.EADDRNOTAVAIL, "PLAINTEXT://1.2.3.4:80: this machine has no such address"),
    ],
)
def test_other_reasons(number: int, text: str) -> None:
    refusal = port_refusal(OSError(number, "port 80"), [Endpoint("PLAINTEXT", "1.2.3.4", 80, "PLAINTEXT")])
    assert refusal.startswith(text)
