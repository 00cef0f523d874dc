"""Apache Kafka beside kwire: its broker in ZooKeeper mode (3.9.2) and in KRaft mode (4.3.1), and its command classes.

The heaps are small and the compilers quick ones: what is asked here is whether files can be read, not how fast.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from compat_tests.broker import BrokerError, free_port
from compat_tests.clients.install import default_cache

V39, V43 = "3.9.2", "4.3.1"
INSTALLERS = (f"kafka-{V39}", f"kafka-{V43}")
"""What brings them (`compat_tests.clients.install`); the jars lie in `libs` of the folder of that name."""

READY_S = 120.0
STOP_S = 40.0
QUICK_JAVA = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")
CLUSTER_ID = "kwireDiskProofs0000000"
BROKER_ID = 1

BROKER_OPTIONS: Mapping[str, str] = {
    "offsets.topic.num.partitions": "5",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "5",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.max.timeout.ms": "3600000",
    "group.initial.rebalance.delay.ms": "0",
    "log.cleaner.backoff.ms": "300",
    "log.retention.check.interval.ms": "500",
    "log.flush.offset.checkpoint.interval.ms": "500",
    "log.flush.start.offset.checkpoint.interval.ms": "500",
    "auto.create.topics.enable": "false",
}
"""What both sides are started with: they have to agree on what a file says, not on what a profile prefers."""


def class_path(version: str) -> str:
    """The jars of a version; the quiet logger comes first, where more than one is on board."""
    libs = default_cache() / f"kafka-{version}" / "libs"
    return f"{libs}/slf4j-simple-1.7.36.jar:{libs}/*"


def java(version: str, main_class: str, *arguments: str, heap: str = "256m", classes: Path | None = None) -> list[str]:
    """The command line of a class of that version of Kafka, or of one in the folder `classes` that uses it."""
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
    path = class_path(version) if classes is None else f"{classes}:{class_path(version)}"
    return ["java", f"-Xmx{heap}", *QUICK_JAVA, quiet, "-cp", path, main_class, *arguments]


class Server:
    """One JVM in the foreground of a process group of its own, with a port to wait for."""

    def __init__(self, command: list[str], port: int, log: Path) -> None:
        self.port, self._command, self._log = port, command, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return when the port accepts connections. Raises BrokerError."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise BrokerError(f"{self._command[-2]} ended with status {self._process.returncode}; see {self._log}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        self.kill()
        raise BrokerError(f"{self._command[-2]}: no port after {READY_S:.0f} s; see {self._log}")

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def stop(self) -> None:
        """SIGTERM; BrokerError when that does not end it."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise BrokerError(f"{self._command[-2]} did not end after SIGTERM; see {self._log}") from None


class ZooKeeper(Server):
    """A ZooKeeper with an empty tree."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        port = free_port()
        lines = (f"dataDir={folder}", f"clientPort={port}", "clientPortAddress=127.0.0.1")
        configuration = folder / "zoo.cfg"
        configuration.write_text("\n".join((*lines, "maxClientCnxns=0", "")))
        main_class = "org.apache.zookeeper.server.ZooKeeperServerMain"
        command = java(V39, main_class, str(configuration), heap="128m")
        command.insert(1, "-Dzookeeper.admin.enableServer=false")
        super().__init__(command, port, folder / "zookeeper.log")


class Kafka(Server):
    """A broker of Apache Kafka over the data directory `folder / "data"`."""

    def __init__(self, folder: Path, version: str, port: int, options: Mapping[str, str]) -> None:
        self.data = folder / "data"
        self.version = version
        folder.mkdir(parents=True, exist_ok=True)
        self.properties = folder / "server.properties"
        fixed = {
            "listeners": f"PLAINTEXT://127.0.0.1:{port}",
            "log.dirs": str(self.data),
            "log.initial.task.delay.ms": "500",
        }
        written = {**BROKER_OPTIONS, **fixed, **options}
        self.properties.write_text("".join(f"{name}={value}\n" for name, value in written.items()))
        command = java(version, "kafka.Kafka", str(self.properties), heap="512m")
        log4j = folder / "log4j.properties"
        log4j.write_text(
            "log4j.rootLogger=WARN, out\nlog4j.appender.out=org.apache.log4j.ConsoleAppender\n"
            "log4j.appender.out.layout=org.apache.log4j.PatternLayout\n"
            "log4j.appender.out.layout.ConversionPattern=[%d] %p %m (%c)%n\n"
        )
        command.insert(1, f"-Dlog4j.configuration=file:{log4j}")
        super().__init__(command, port, folder / f"kafka-{version}.log")

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"


class Kafka39(Kafka):
    """Kafka 3.9.2 in ZooKeeper mode."""

    def __init__(self, folder: Path, zookeeper: ZooKeeper, **options: str) -> None:
        mode = {
            "broker.id": str(BROKER_ID),
            "zookeeper.connect": f"127.0.0.1:{zookeeper.port}",
        }
        super().__init__(folder, V39, free_port(), mode | options)


class Kafka43(Kafka):
    """Kafka 4.3.1, broker and KRaft controller in one; a new directory is formatted at the first start."""

    def __init__(self, folder: Path, **options: str) -> None:
        port, quorum_port = free_port(), free_port()
        mode = {
            "process.roles": "broker,controller",
            "node.id": str(BROKER_ID),
            "controller.quorum.voters": f"{BROKER_ID}@127.0.0.1:{quorum_port}",
            "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{quorum_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
        }
        super().__init__(folder, V43, port, mode | options)

    def start(self) -> None:
        if not (self.data / "meta.properties").exists():
            tool = java(V43, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(self.properties))
            done = subprocess.run(tool, capture_output=True, text=True, check=False)
            if done.returncode:
                raise BrokerError(f"StorageTool format: {done.stdout}{done.stderr}")
        super().start()
