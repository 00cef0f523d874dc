"""Brings the suites from their registries into the cache, and builds what has to be built; nothing is patched."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from compat_tests.clients.install import (
    INSTALL_S,
    LIBRDKAFKA_NEEDS,
    InstallError,
    Installers,
    debian,
    kafka,
    run,
)

HERE = Path(__file__).parent
FRANZ_GO = "github.com/twmb/franz-go@v1.22.2"
CONFLUENT_JAVASCRIPT = "@confluentinc/kafka-javascript@1.10.1"
"""This package holds the sources of librdkafka 2.15, tests included."""
KAFKA_PYTHON_VERSION = "3.0.12"
KAFKA_PYTHON = (
    f"kafka-python[crc32c,lz4,snappy,zstd]=={KAFKA_PYTHON_VERSION}",
    "py",
    "pytest",
    "pytest-mock",
    "pytest-timeout",
)
CONFLUENT_KAFKA_PYTHON = (
    "confluent-kafka==2.16.1",
    *("attrs", "authlib", "avro<2", "cachetools", "certifi", "fastavro", "googleapis-common-protos", "httpx"),
    *("jsonschema", "orjson", "protobuf", "pyrsistent", "requests", "urllib3<3"),
    *("async-timeout", "pluggy<1.6", "pytest", "pytest-asyncio", "pytest-timeout", "trivup"),
)
BUILD_NEEDS = (*LIBRDKAFKA_NEEDS, "g++", "make", "pkg-config", "rapidjson-dev")


def librdkafka(home: Path) -> None:
    debian(*BUILD_NEEDS)
    _npm_pack(CONFLUENT_JAVASCRIPT, home.parent / "librdkafka.package")
    shutil.move(home.parent / "librdkafka.package/package/deps/librdkafka", home)
    shutil.rmtree(home.parent / "librdkafka.package")
    jobs = f"-j{os.cpu_count() or 1}"
    run("./configure", cwd=home)
    run("make", jobs, "libs", cwd=home)
    run("make", jobs, "-C", "tests", "build", cwd=home)


def _npm_pack(package: str, folder: Path) -> None:
    """Unpack a package of npm's registry, without installing it, into a new folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run("npm", "pack", "--silent", package, cwd=folder)
    (archive,) = folder.glob("*.tgz")
    run("tar", "-xf", str(archive), "-C", str(folder))
    archive.unlink()


def kgo(home: Path) -> None:
    """The module from Go's module proxy, copied (the module cache is read-only), and its test binary."""
    done = subprocess.run(
        ("go", "mod", "download", "-json", FRANZ_GO), capture_output=True, text=True, timeout=INSTALL_S, check=False
    )
    if done.returncode:
        raise InstallError(f"go mod download {FRANZ_GO}: {done.stdout[-500:]}{done.stderr[-500:]}")
    module = home / "franz-go"
    shutil.copytree(json.loads(done.stdout)["Dir"], module)
    run("chmod", "-R", "u+w", str(module))
    run("go", "test", "-c", "-o", str(home / "kgo.test"), "./pkg/kgo", cwd=module)


def kafka_python(home: Path) -> None:
    """The client and its source distribution, which has the tests, but for two modules that we stand in for."""
    python = str(home / "bin/python")
    run(sys.executable, "-m", "venv", str(home))
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *KAFKA_PYTHON)
    sdist = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary", ":all:", "--dest", str(home))
    run(python, "-m", "pip", "download", *sdist, KAFKA_PYTHON[0].partition("[")[0] + "==" + KAFKA_PYTHON_VERSION)
    (archive,) = home.glob("kafka_python-*.tar.gz")
    run("tar", "-xf", str(archive), "-C", str(home))
    (home / archive.name.removesuffix(".tar.gz")).rename(home / "source")
    shutil.copy(HERE / "stand_ins/service.py", home / "source/test/service.py")
    (home / "source/test/__init__.py").touch()  # Or else `test` is that of Python's own library.


def confluent_kafka_python(home: Path) -> None:
    """The client, and what its tests import."""
    run(sys.executable, "-m", "venv", str(home))
    python = str(home / "bin/python")
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *CONFLUENT_KAFKA_PYTHON)


INSTALLERS: Installers = {
    "librdkafka": (librdkafka, ""),
    "kgo": (kgo, ""),
    "kafka-4.3.1": (kafka("4.3.1"), ""),
    "kafka-3.9.2": (kafka("3.9.2"), ""),
    "confluent-kafka-python-tests": (confluent_kafka_python, ""),
    "kafka-python-tests": (kafka_python, "../suites/stand_ins"),
}
"""As in `compat_tests.clients.install`, in the same cache."""
