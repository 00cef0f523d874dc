"""`test.service` of kafka-python's tests, which its source distribution leaves out: services that run elsewhere.

The tests start brokers through `SpawnedService`; with KAFKA_URI they take a running one, and only need to name it.
"""

from __future__ import annotations


class ExternalService:
    """A broker that is up already."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass


class SpawnedService:
    """Only named by the tests when a broker was given."""

    def __init__(self, *arguments: object) -> None:
        raise NotImplementedError("these tests start no broker of their own here")
