"""The two sides of a swap, with one face: kwire with its embedded store, Apache Kafka 3.9 with a ZooKeeper."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple, Protocol

from compat_tests.broker import KwireBroker
from compat_tests.disk import metadata
from compat_tests.disk.apache import BROKER_ID, BROKER_OPTIONS, Kafka39, ZooKeeper
from compat_tests.disk.metadata import Znodes


class Subject(Protocol):
    """A broker over one data directory, and what it keeps its metadata in."""

    name: str
    options_of: str
    """Whose names the topic options have: 3.9's or 4.3's."""

    @property
    def port(self) -> int: ...

    @property
    def data(self) -> Path: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def kill(self) -> None: ...

    def znodes(self) -> Znodes:
        """The persistent nodes; kwire has to be down for it."""
        ...

    def set_znodes(self, nodes: Znodes) -> None:
        """Write nodes while the broker is down."""
        ...

    def close(self) -> None: ...


class KwireSubject:
    """kwire."""

    name, options_of = "kwire", "4.3"

    def __init__(self, folder: Path, **options: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.data = folder / "data"
        chosen = {**BROKER_OPTIONS, "broker.id": str(BROKER_ID), **options}
        self._broker = KwireBroker(self.data, log=folder / "kwire.log", options=chosen)

    @property
    def port(self) -> int:
        return self._broker.port

    def start(self) -> None:
        self._broker.start()

    def stop(self) -> None:
        self._broker.stop()

    def kill(self) -> None:
        self._broker.kill()

    def znodes(self) -> Znodes:
        return metadata.from_embedded(self.data)

    def set_znodes(self, nodes: Znodes) -> None:
        self.data.mkdir(exist_ok=True)
        metadata.to_embedded(self.data, nodes)

    def close(self) -> None:
        """Kill what is still running."""
        self._broker.kill()


class KafkaSubject:
    """Apache Kafka 3.9.2, with a ZooKeeper of its own that lives on when the broker is killed."""

    name, options_of = "kafka-3.9.2", "3.9"

    def __init__(self, folder: Path, **options: str) -> None:
        self._zookeeper = ZooKeeper(folder / "zookeeper")
        self._zookeeper.start()
        self._kafka = Kafka39(folder, self._zookeeper, **options)

    @property
    def port(self) -> int:
        return self._kafka.port

    @property
    def data(self) -> Path:
        return self._kafka.data

    def start(self) -> None:
        self._kafka.start()

    def stop(self) -> None:
        self._kafka.stop()

    def kill(self) -> None:
        self._kafka.kill()

    def znodes(self) -> Znodes:
        return metadata.from_zookeeper(self._zookeeper.port)

    def set_znodes(self, nodes: Znodes) -> None:
        metadata.to_zookeeper(self._zookeeper.port, nodes)

    def close(self) -> None:
        self._kafka.kill()
        self._zookeeper.kill()


class Directory(NamedTuple):
    """A data directory that some broker left behind, with its cluster's metadata."""

    path: Path
    znodes: Znodes


def left_behind(subject: Subject, where: Path) -> Directory:
    """A copy of the directory of a broker that is down."""
    shutil.copytree(subject.data, where)
    return Directory(where, subject.znodes())


def take_over(subject: Subject, directory: Directory) -> None:
    """Give a copy of the directory, and its metadata, to a broker that has none yet."""
    shutil.copytree(directory.path, subject.data)
    subject.set_znodes(directory.znodes)
