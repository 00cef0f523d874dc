"""`kwire start`: its arguments, the configuration they make, and what is said when it cannot start."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from kwire.cli.app import kwire
from kwire.cli.start import StartRefused, configuration
from kwire.cli.start_options import START_OPTIONS, StartArguments, add_environment, parse

ROOT = Path(__file__).parents[2]


def arguments(*texts: str) -> StartArguments:
    parsed = parse(list(texts))
    assert parsed is not None
    return parsed


def test_plain_arguments_need_no_click() -> None:
    given = arguments(
        "--data-dir", "/d", "--port=0", "-o", "a=1", "--override=b=2", "--ephemeral", "--profile", "kafka"
    )
    assert (given.data_dir, given.port, given.overrides) == ("/d", "0", ["a=1", "b=2"])
    assert (given.ephemeral, given.profile, given.log_format) == (True, "kafka", None)
    assert arguments().overrides == []


@pytest.mark.parametrize(
    "texts",
    [
        ["--help"],
        ["--port"],
        ["--port", "x"],
        ["--port", "65536"],
        ["--ephemeral=yes"],
        ["--profile", "prod"],
        ["--data-dir", "--ephemeral"],
        ["--dta-dir", "/d"],
        ["orders"],
    ],
)
def test_what_is_not_plain_is_left_to_click(texts: list[str]) -> None:
    assert parse(texts) is None


def test_click_knows_every_option_of_the_table() -> None:
    result = CliRunner().invoke(kwire, ["start", "--help"])
    assert result.exit_code == 0
    for option in START_OPTIONS:
        assert all(flag in result.output for flag in option.flags)


def test_variables_fill_in_what_the_command_line_leaves_open() -> None:
    given = arguments("--profile", "dev")
    environment = {"KWIRE_PROFILE": "kafka", "KWIRE_DATA_DIR": "/e", "KWIRE_LOG_FORMAT": "json"}
    assert add_environment(given, environment) is None
    assert (given.profile, given.data_dir, given.log_format) == ("dev", "/e", "json")
    assert "'loud' is not accepted" in (add_environment(arguments(), {"KWIRE_LOG_LEVEL": "loud"}) or "")


def test_the_configuration_that_arguments_make(tmp_path: Path) -> None:
    file = tmp_path / "server.properties"
    file.write_text("num.partitions=2\nlog.dirs=/file\nlisteners=PLAINTEXT://:1\n")
    given = arguments("--config", str(file), "--data-dir", "/d", "--port", "0", "-o", "num.partitions=3")
    config = configuration(given, {"KWIRE_DEFAULT_REPLICATION_FACTOR": "2"})
    assert config.log_dirs() == ["/d"]
    assert [str(endpoint) for endpoint in config.listeners()] == ["PLAINTEXT://:0"]
    assert (config.int("num.partitions"), config.int("default.replication.factor")) == (3, 2)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["--port", "1", "--listeners", "PLAINTEXT://:1"], "give one of them"),
        (["--config", "/no/such/file"], "/no/such/file cannot be read: No such file or directory"),
        (["-o", "num.partitions"], "write an option and its value"),
        (["-o", "num.partition=3"], "unknown option num.partition (did you mean num.partitions"),
        (["-o", "num.partitions=none"], "num.partitions: 'none' is not accepted; it takes an integer"),
    ],
)
def test_a_wrong_configuration_is_refused_with_code_2(texts: list[str], message: str) -> None:
    with pytest.raises(StartRefused) as caught:
        configuration(arguments(*texts), {})
    assert message in str(caught.value)
    assert caught.value.exit_code == 2


def start(*texts: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "kwire", "start", *texts],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_start_its_banner_and_a_second_broker(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    listeners = "PLAINTEXT://127.0.0.1:0"
    with start("--data-dir", data, "--listeners", listeners, "--log-format", "json") as broker:
        try:
            assert broker.stdout is not None
            ready = json.loads(broker.stdout.readline())
            assert (ready["event"], ready["profile"], ready["data_directories"]) == ("ready", "dev", [data])
            host, _, port = ready["listeners"][0].rpartition(":")
            with socket.create_connection((host, int(port))):
                pass
            with start("--data-dir", data, "--listeners", listeners) as second:
                _, complaint = second.communicate(timeout=30)
            assert second.returncode == 4
            assert data in complaint
            with start("--ephemeral", "--listeners", f"PLAINTEXT://127.0.0.1:{port}") as second:
                _, complaint = second.communicate(timeout=30)
            assert second.returncode == 3
            assert complaint.startswith(f"kwire: port {port} is in use by process {broker.pid} (")
        finally:
            broker.send_signal(signal.SIGTERM)
            _, log = broker.communicate(timeout=30)
    assert broker.returncode == 0
    assert [json.loads(line)["message"] for line in log.splitlines()][-1] == "stopping"


def test_a_directory_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with start("--data-dir", str(tmp_path / "file" / "data"), "--port", "0") as broker:
        _, complaint = broker.communicate(timeout=30)
    assert broker.returncode == 5
    assert str(tmp_path / "file") in complaint


def test_a_start_does_not_import_click_or_codecs() -> None:
    program = (
        "import sys; import kwire.__main__, kwire.cli.start, kwire.cli.start_options, kwire.cli.logging_setup;"
        "print([name for name in ('click', 'dataclasses', 'inspect', 'difflib', 'importlib.metadata', 'lz4', 'snappy')"
        " if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(json.loads(run.stdout.replace("'", '"')))
    # asyncio itself brings inspect on some versions of Python; nothing else may.
    bare = subprocess.run(
        [sys.executable, "-c", "import sys, asyncio; print('inspect' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert loaded <= ({"inspect", "dataclasses"} if bare.stdout.strip() == "True" else set())
