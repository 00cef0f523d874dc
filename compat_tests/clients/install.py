"""Brings the stock clients from their registries into a cache folder and builds their drivers; nothing is patched.

The cache is $COMPAT_CACHE, or else ~/.cache/kwire-compat; a name that begins with KWIRE_ would be an option to kwire.
Each installer leaves a stamp, a hash of all that it depends on, and does nothing while the stamp still fits.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
PYTHON_CLIENTS = (
    "confluent-kafka==2.16.1",
    "kafka-python[crc32c,lz4,snappy,zstd]==3.0.12",
    "aiokafka[lz4,snappy,zstd]==0.14.0",
)
LIBRDKAFKA_NEEDS = ("libcurl4-openssl-dev", "liblz4-dev", "libsasl2-dev", "libssl-dev", "libzstd-dev", "zlib1g-dev")
INSTALL_S = 900


class InstallError(Exception):
    """A client cannot be installed; the text holds the end of what the installer printed."""


def default_cache() -> Path:
    return Path(os.environ.get("COMPAT_CACHE") or Path.home() / ".cache/kwire-compat")


def run(*command: str, cwd: Path | None = None, **environment: str) -> None:
    """Run one command; raises InstallError with the last lines of its output."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=INSTALL_S,
        check=False,
    )
    if done.returncode:
        raise InstallError(f"{' '.join(command)[:120]} ended with status {done.returncode}:\n{done.stdout[-1500:]}")


def python(home: Path) -> None:
    run(sys.executable, "-m", "venv", str(home))
    run(str(home / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PYTHON_CLIENTS)


def debian(*packages: str) -> None:
    """Install what is missing of these packages, with the package lists brought up to date first."""
    have = subprocess.run(("dpkg", "--status", *packages), capture_output=True, check=False)
    if have.returncode:
        run("apt-get", "update", "--quiet")
        run("apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *packages)


def kcat(home: Path) -> None:
    if not shutil.which("kcat"):
        debian("kcat")


def go(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    run("go", "build", "-o", f"{home}/", "./...", cwd=HERE / "go")


def _npm(home: Path, folder: Path, **environment: str) -> None:
    home.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(folder / name, home)
    run("npm", "ci", "--no-audit", "--no-fund", "--foreground-scripts", cwd=home, **environment)


def node(home: Path) -> None:
    _npm(home, HERE / "node/kafkajs")


def node_confluent(home: Path) -> None:
    """Where the package finds no prebuilt binary, it compiles its own librdkafka against Debian's libraries."""
    debian(*LIBRDKAFKA_NEEDS)
    _npm(home, HERE / "node/confluent", CKJS_LINKING="dynamic")


def maven(home: Path, *artifacts: str) -> None:
    """Copy Kafka artifacts (group:name:version, and maybe :classifier) and what they depend on to home/libs."""
    pom = (HERE / "java/pom.xml").read_text()
    names = ("groupId", "artifactId", "version", "classifier")
    dependencies = ""
    for artifact in artifacts:
        parts = "".join(f"<{name}>{part}</{name}>" for name, part in zip(names, artifact.split(":"), strict=False))
        dependencies += f"<dependency>{parts}</dependency>"
    home.mkdir(parents=True, exist_ok=True)
    (home / "pom.xml").write_text(pom.replace("<!-- artifacts -->", dependencies))
    run("mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={home}/libs", cwd=home)


def java(version: str, era: str) -> Callable[[Path], None]:
    """kafka-clients of one version, and Driver.java compiled against it with the file of its era."""

    def installer(home: Path) -> None:
        maven(home, f"org.apache.kafka:kafka-clients:{version}")
        sources = (HERE / "java/Driver.java", HERE / "java" / era / "Era.java")
        run("javac", "-nowarn", "-cp", f"{home}/libs/*", "-d", f"{home}/classes", *map(str, sources))

    return installer


def kafka(version: str) -> Callable[[Path], None]:
    """All of Apache Kafka: the broker, its tools, and ZooKeeper where that version has it."""

    def installer(home: Path) -> None:
        maven(home, f"org.apache.kafka:kafka-tools:{version}", f"org.apache.kafka:kafka_2.13:{version}")

    return installer


def streams(version: str) -> Callable[[Path], None]:
    """kafka-streams of one version with the programs of its own tests, and WordCount.java compiled against it."""

    def installer(home: Path) -> None:
        kafka_streams = f"org.apache.kafka:kafka-streams:{version}"
        maven(home, kafka_streams, f"{kafka_streams}:test", f"org.apache.kafka:kafka-clients:{version}:test")
        source = str(HERE / "streams/WordCount.java")
        run("javac", "-nowarn", "-cp", f"{home}/libs/*", "-d", f"{home}/classes", source)

    return installer


Installers = dict[str, tuple[Callable[[Path], None], str]]
"""Name, what installs it, and the folder of sources, seen from here, whose change makes it stale."""

INSTALLERS: Installers = {
    "python": (python, ""),
    "kcat": (kcat, ""),
    "go": (go, "go"),
    "node": (node, "node/kafkajs"),
    "node-confluent": (node_confluent, "node/confluent"),
    "java-4.3.1": (java("4.3.1", "modern"), "java"),
    "java-3.9.2": (java("3.9.2", "modern"), "java"),
    "java-0.10.2.2": (java("0.10.2.2", "v0_10"), "java"),
    "java-0.9.0.1": (java("0.9.0.1", "v0_9"), "java"),
    "streams-4.3.1": (streams("4.3.1"), "streams"),
    "kafka-4.3.1": (kafka("4.3.1"), ""),
    "kafka-3.9.2": (kafka("3.9.2"), ""),
}


def _fingerprint(name: str, installers: Installers) -> str:
    """Changes with the installer, what it is told to install, and the sources that it builds."""
    installer, folder = installers[name]
    digest = hashlib.sha256(f"{name} {PYTHON_CLIENTS} {inspect.getsource(installer)}".encode())
    for path in sorted((HERE / folder).rglob("*")) if folder else []:
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _install_one(name: str, cache: Path, installers: Installers) -> str:
    """An empty text, or what went wrong."""
    home, stamp, wanted = cache / name, cache / f"{name}.stamp", _fingerprint(name, installers)
    if stamp.exists() and stamp.read_text() == wanted:
        return ""
    began = time.monotonic()
    shutil.rmtree(home, ignore_errors=True)
    try:
        installers[name][0](home)
    except (InstallError, OSError, subprocess.TimeoutExpired) as problem:
        return str(problem)
    stamp.write_text(wanted)
    print(f"  installed {name}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
    return ""


def install(names: Iterable[str], cache: Path, installers: Installers = INSTALLERS) -> dict[str, str]:
    """Install the named ones side by side; returns the problems by name."""
    cache.mkdir(parents=True, exist_ok=True)
    slowest_first = sorted(set(names), key=("node-confluent", *installers).index)
    with ThreadPoolExecutor(3) as pool:
        results = pool.map(lambda name: (name, _install_one(name, cache, installers)), slowest_first)
        return {name: problem for name, problem in results if problem}
