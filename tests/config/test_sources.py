"""Files, environment and command line."""

from __future__ import annotations

import pytest

from kwire.config.option import ConfigError
from kwire.config.sources import environment_options, merge_sources, override_options, parse_properties


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("a=1\nb = 2\r\nc: 3\rd 4", {"a": "1", "b": "2", "c": "3", "d": "4"}),
        ("# comment\n  ! comment \\\n\n   a=1", {"a": "1"}),
        ("a=one, \\\n    two,\\\n\tthree", {"a": "one, two,three"}),
        ("a=x\\\\\nb=y", {"a": "x\\", "b": "y"}),
        ("a\\ b\\=c = d=e", {"a b=c": "d=e"}),
        ("a=\\u00e9\\t\\n\\q", {"a": "é\t\nq"}),
        ("a\nb=\nc = ", {"a": "", "b": "", "c": ""}),
        ("a  =  1  ", {"a": "1  "}),
        ("a==1", {"a": "=1"}),
        ("a=1\na=2", {"a": "2"}),
        ("a=1\\", {"a": "1"}),
        ("a=1 # not a comment", {"a": "1 # not a comment"}),
        ("a=1,\\\n# two", {"a": "1,# two"}),
        ("\\\n# comment\na=1", {"a": "1"}),
        ("\\\n  a=1", {"a": "1"}),
        ("a=1\n\\", {"a": "1", "": ""}),
        ("", {}),
    ],
)
def test_properties_are_read_as_java_does(text: str, pairs: dict[str, str]) -> None:
    assert parse_properties(text) == pairs


def test_a_broken_escape_is_an_error() -> None:
    with pytest.raises(ValueError, match="four hexadecimal digits"):
        parse_properties("a=\\u12")


def test_environment() -> None:
    environment = {
        "KWIRE_LOG_RETENTION_MS": "5",
        "KWIRE_ZOOKEEPER_CLIENTCNXNSOCKET": "x",
        "KWIRE_LISTENER_NAME_MY_NET_MAX_CONNECTIONS": "7",
        "KWIRE_DATA_DIR": "/somewhere",
        "HOME": "/root",
    }
    assert environment_options(environment) == {
        "log.retention.ms": "5",
        "zookeeper.clientCnxnSocket": "x",
        "listener.name.my_net.max.connections": "7",
    }
    with pytest.raises(
        ConfigError, match=r"KWIRE_LOG_RETENTION_MSEC names no option .did you mean KWIRE_LOG_RETENTION_MS"
    ):
        environment_options({"KWIRE_LOG_RETENTION_MSEC": "5"})


def test_overrides() -> None:
    assert override_options(["a=1", "b=x=y", "a=2"]) == {"a": "2", "b": "x=y"}
    for bad in ("a", "=1"):
        with pytest.raises(ConfigError, match="write an option and its value"):
            override_options([bad])


def test_the_command_line_wins_over_the_environment_and_that_over_the_file() -> None:
    file = "num.partitions=1\nlog.dir=/file\nlisteners=PLAINTEXT://:1"
    environment = {"KWIRE_NUM_PARTITIONS": "2", "KWIRE_LOG_DIR": "/environment"}
    assert merge_sources(file, environment, ["num.partitions=3"]) == {
        "num.partitions": "3",
        "log.dir": "/environment",
        "listeners": "PLAINTEXT://:1",
    }
