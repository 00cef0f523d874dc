"""What `kwire start` may be given: one table, read by a parser of a few lines here and by click in `start_command`.

The parser knows only what is right. Whatever it does not understand it hands to click, which knows how to say what is
wrong and what help looks like; so there is one authority for messages and no import of click on the way to a broker.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kwire.named_tuple import NamedTuple


class StartOption(NamedTuple):
    """A flag of `kwire start`; `metavar` None makes it a switch, `variable` is the environment variable for it."""

    flags: tuple[str, ...]
    field: str
    metavar: str | None
    doc: str
    choices: tuple[str, ...] = ()
    multiple: bool = False
    variable: str | None = None


# fmt: off
START_OPTIONS: Final = (
    StartOption(("--data-dir",), "data_dir", "DIRECTORY", variable="KWIRE_DATA_DIR",
                doc="Where topics and metadata are kept (-o log.dirs=...). [default: ~/.local/share/kwire]"),
    StartOption(("--port",), "port", "PORT",
                doc="The port to serve on all interfaces; 0 takes any free one. [default: 9092]"),
    StartOption(("--listeners",), "listeners", "LISTENERS",
                doc="What to serve instead, like PLAINTEXT://127.0.0.1:9092 (the same as -o listeners=...)."),
    StartOption(("--ephemeral",), "ephemeral", None,
                doc="Keep nothing: a new temporary directory, removed at the end."),
    StartOption(("--config",), "config_file", "FILE",
                doc="A server.properties of Apache Kafka."),
    StartOption(("-o", "--override"), "overrides", "OPTION=VALUE", multiple=True,
                doc="Set an option of the broker; repeatable. Wins over environment and file."),
    StartOption(("--profile",), "profile", "PROFILE", choices=("dev", "kafka"), variable="KWIRE_PROFILE",
                doc="dev: for one developer's machine (kwire config describe --profile). kafka: Kafka's defaults."),
    StartOption(("--log-format",), "log_format", "FORMAT", choices=("text", "json"), variable="KWIRE_LOG_FORMAT",
                doc="How the log on standard error and the banner on standard output are written."),
    StartOption(("--log-level",), "log_level", "LEVEL", choices=("debug", "info", "warning", "error"),
                variable="KWIRE_LOG_LEVEL", doc="The least severe messages to log. [default: info]"),
)
# fmt: on


class StartArguments:
    """What `kwire start` was given; None is not given."""

    __slots__ = (
        "config_file",
        "data_dir",
        "ephemeral",
        "listeners",
        "log_format",
        "log_level",
        "overrides",
        "port",
        "profile",
    )

    def __init__(self) -> None:
        self.config_file: str | None = None
        self.data_dir: str | None = None
        self.ephemeral = False
        self.listeners: str | None = None
        self.log_format: str | None = None
        self.log_level: str | None = None
        self.overrides: list[str] = []
        self.port: str | None = None
        self.profile: str | None = None


def parse(arguments: list[str]) -> StartArguments | None:
    """The arguments behind `kwire start`; None for anything that is not plainly right, `--help` included."""
    options = {flag: option for option in START_OPTIONS for flag in option.flags}
    parsed = StartArguments()
    rest = list(arguments)
    while rest:
        flag, equals, value = rest.pop(0).partition("=")
        option = options.get(flag)
        if option is None:
            return None
        if option.metavar is None:
            if equals:
                return None
            setattr(parsed, option.field, True)
            continue
        if not equals:
            if not rest:
                return None
            value = rest.pop(0)
        if not _is_right(option, value):
            return None
        if option.multiple:
            getattr(parsed, option.field).append(value)
        else:
            setattr(parsed, option.field, value)
    return parsed


def add_environment(parsed: StartArguments, environment: Mapping[str, str]) -> str | None:
    """Fill in what only the environment gives; a sentence about the first variable whose value is not accepted."""
    for option in START_OPTIONS:
        if option.variable is None or getattr(parsed, option.field) is not None:
            continue
        value = environment.get(option.variable)
        if value is None:
            continue
        if not _is_right(option, value):
            return f"{option.variable}: {value!r} is not accepted; it takes one of {', '.join(option.choices)}"
        setattr(parsed, option.field, value)
    return None


def _is_right(option: StartOption, value: str) -> bool:
    if option.choices:
        return value in option.choices
    if option.field == "port":
        return value.isascii() and value.isdigit() and int(value) <= 65535
    return not value.startswith("--")
