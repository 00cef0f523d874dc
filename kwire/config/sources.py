"""Where static values come from: a server.properties file, KWIRE_ environment variables, `-o key=value`.

The command line wins over the environment, the environment over the file. Kafka reads a file with an unknown key and
only logs a warning; kwire refuses it and names the nearest option, since a misspelt `log.retention.hour` that silently
keeps the default costs more than the line that has to go. Keys under the prefixes of `broker_config.PASSED_ON` go to
plug-ins and listeners and are taken as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from kwire.config.broker_options import BROKER_OPTIONS
from kwire.config.option import ConfigError, nearest

ENVIRONMENT_PREFIX: Final = "KWIRE_"

COMMAND_VARIABLES: Final = frozenset(
    ("KWIRE_DATA_DIR", "KWIRE_PROFILE", "KWIRE_LOG_FORMAT", "KWIRE_LOG_LEVEL", "KWIRE_BOOTSTRAP_SERVER")
)
"""Variables that stand for an option of the command line, not for one of the broker."""

_ESCAPES: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_SPACE: Final = " \t\f"


def parse_properties(text: str) -> dict[str, str]:
    """The pairs of a file in the format of java.util.Properties; the last of equal keys wins.

    A line starting with `#` or `!` is a comment; a backslash at the end of a line joins it with the next, whose leading
    space is dropped; `=`, `:` or space ends the key; `\\t \\n \\r \\f \\uXXXX` and a backslash before anything else are
    escapes. Raises ValueError for a `\\u` without four hexadecimal digits.
    """
    values: dict[str, str] = {}
    for line in _logical_lines(text):
        key, value = _split_pair(line)
        values[_unescape(key)] = _unescape(value)
    return values


def _logical_lines(text: str) -> Iterable[str]:
    """Lines with their continuations joined, comments and blank lines gone."""
    natural_lines = re.split(r"\r\n|\n|\r", text)
    if not natural_lines[-1]:
        natural_lines.pop()
    pending: str | None = None
    for natural in natural_lines:
        line = natural.lstrip(_SPACE)
        if not pending and (not line or line[0] in "#!"):
            pending = None
            continue
        line = (pending or "") + line
        if (len(line) - len(line.rstrip("\\"))) % 2:
            pending = line[:-1]
            continue
        pending = None
        yield line
    if pending is not None:
        yield pending


def _split_pair(line: str) -> tuple[str, str]:
    position = 0
    while position < len(line) and line[position] not in "=:" + _SPACE:
        position += 2 if line[position] == "\\" else 1
    key, rest = line[:position], line[position:].lstrip(_SPACE)
    if rest and rest[0] in "=:":
        rest = rest[1:].lstrip(_SPACE)
    return key, rest


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text

    def replacement(match: re.Match[str]) -> str:
        code, other = match.groups()
        if code is not None:
            if len(code) != 4:
                raise ValueError(f"\\u must be followed by four hexadecimal digits: {text!r}")
            return chr(int(code, 16))
        return _ESCAPES.get(other, other)

    return re.sub(r"\\(?:u([0-9a-fA-F]{0,4})|(.?))", replacement, text, flags=re.DOTALL)


def environment_options(environment: Mapping[str, str]) -> dict[str, str]:
    """The options among environment variables: KWIRE_LOG_RETENTION_MS is `log.retention.ms`.

    KWIRE_LISTENER_NAME_<NAME>_<OPTION> is the option for one listener. Raises ConfigError for a KWIRE_ variable that
    names nothing.
    """
    variables = {name: text for name, text in environment.items() if name.startswith(ENVIRONMENT_PREFIX)}
    if not variables:
        return {}
    options = {variable_name(name): name for name in BROKER_OPTIONS}
    values: dict[str, str] = {}
    for variable, text in variables.items():
        if variable in COMMAND_VARIABLES:
            continue
        option = options.get(variable) or _listener_option(variable, options)
        if option is None:
            hint = nearest(variable, sorted([*options, *COMMAND_VARIABLES]))
            raise ConfigError(variable, f"environment variable {variable} names no option{hint}")
        values[option] = text
    return values


def variable_name(option: str) -> str:
    """The environment variable of an option."""
    return ENVIRONMENT_PREFIX + option.upper().replace(".", "_")


def _listener_option(variable: str, options: Mapping[str, str]) -> str | None:
    prefix = ENVIRONMENT_PREFIX + "LISTENER_NAME_"
    words = variable.removeprefix(prefix).split("_") if variable.startswith(prefix) else []
    for split in range(1, len(words)):
        option = options.get(ENVIRONMENT_PREFIX + "_".join(words[split:]))
        if option is not None:
            return f"listener.name.{'_'.join(words[:split]).lower()}.{option}"
    return None


def override_options(pairs: Iterable[str]) -> dict[str, str]:
    """The options of `-o key=value`, the last of equal keys winning; ConfigError for one without `=`."""
    values: dict[str, str] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip():
            raise ConfigError(pair, f"-o {pair}: write an option and its value, like -o log.retention.ms=60000")
        values[name.strip()] = text
    return values


def merge_sources(properties: str | None, environment: Mapping[str, str], overrides: Iterable[str]) -> dict[str, str]:
    """All static values: the text of a properties file, then the environment, then the command line's overrides."""
    values = parse_properties(properties) if properties is not None else {}
    values.update(environment_options(environment))
    values.update(override_options(overrides))
    return values
