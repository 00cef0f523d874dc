"""The reference page of all options, made from the tables: `python -m kwire.config.reference [FILE]`.

Without FILE the page goes to standard output. A test holds docs/options.md to it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from kwire.config.broker_options import THEMES
from kwire.config.cross_checks import NOT_TO_BE_PASSED_OVER
from kwire.config.effects import READ_BY_TOPIC, effective_options, without_effect
from kwire.config.group_config import GROUP_OPTIONS
from kwire.config.option import TYPE_NAMES, Option
from kwire.config.profiles import DEV
from kwire.config.sources import variable_name
from kwire.config.topic_config import TOPIC_OPTIONS

_INTRODUCTION = """\
# Options

This page is generated: `python -m kwire.config.reference docs/options.md`.

An option is given in a file (`kwire start --config server.properties`), in the environment (`log.retention.ms` is
`{variable}`), or on the command line (`-o log.retention.ms=60000`); each of these wins over the one before. An option
that does not exist, or a value that it does not take, stops the start with a message that names both. Values altered
while the broker runs (IncrementalAlterConfigs, `kwire config alter`) win over all of them.

Names, types, bounds and defaults are those of Apache Kafka 4.3; options that only 3.9 has are marked "3.9".
Where the column "effect" says no, kwire knows the option, checks its value and shows it to tools, but **does nothing
with it yet**. "update" tells whether it can be altered while the broker runs: for one broker (per-broker), also as the
cluster's default (cluster-wide), or not (read-only). Internal options of Kafka are in italics.
"""

_PROFILE = """\
## The dev profile

`kwire start` changes these defaults of Kafka; `kwire start --profile kafka` changes none. Any value that is given wins.

| option | Kafka | dev | why |
|---|---|---|---|
"""


def reference() -> str:
    """The whole page as Markdown."""
    parts = [_INTRODUCTION.format(variable=variable_name("log.retention.ms")), _PROFILE.rstrip("\n")]
    defaults = {option.name: option.default for _, options in THEMES for option in options}
    for row in DEV:
        parts.append(f"| `{row.option}` | {_shown(defaults[row.option])} | `{row.value}` | {row.reason} |")
    total = sum(len(options) for _, options in THEMES)
    parts.append(f"\n## Broker options\n\n{total} options, of which {len(effective_options())} have an effect.")
    for title, options in THEMES:
        parts.append(f"\n### {title}\n")
        parts.extend(_table(options, "update"))
    parts.append("\n## Topic options\n\nA topic without a value of its own takes that of the broker's option.\n")
    parts.extend(_table(TOPIC_OPTIONS.values(), "broker's option"))
    parts.append("\n## Group options\n\nOptions of consumer, share and Streams groups, over the broker's.\n")
    parts.extend(_table(GROUP_OPTIONS.values(), "broker's option"))
    return "\n".join(parts) + "\n"


def _table(options: Iterable[Option], last: str) -> list[str]:
    lines = [f"| option | type | default | takes | effect | {last} | |", "|---|---|---|---|---|---|---|"]
    lines.extend(_line(option, last) for option in options)
    return lines


def _line(option: Option, last: str) -> str:
    name = f"*`{option.name}`*" if option.internal else f"`{option.name}`"
    if last == "update":
        where = option.update_mode
        why = without_effect(option.name)
        effect = "yes" if why is None else "no"
    else:
        where = ", ".join(f"`{name}`" + (f" × {factor}" if factor > 1 else "") for name, factor in option.synonyms)
        why = ""
        effect = "yes" if option is TOPIC_OPTIONS.get(option.name) and option.name in READ_BY_TOPIC else "no"
    doc = option.doc + (f" No effect: {why}." if why else "") + (f" ({option.only})" if option.only else "")
    refused = dict(NOT_TO_BE_PASSED_OVER).get(option.name)
    if refused is not None:
        doc += f" A value stops the start: {refused}."
    takes = option.valid.text if option.valid is not None else ""
    cells = (name, TYPE_NAMES[option.type].lower(), _shown(option.default), takes, effect, where, doc)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _shown(default: str | None) -> str:
    if default is None:
        return "none"
    return f"`{default}`" if default else "empty"


def main(arguments: list[str]) -> int:
    """Write the page to the named file, or to standard output."""
    if arguments:
        with open(arguments[0], "w", encoding="utf-8") as page:
            page.write(reference())
    else:
        sys.stdout.write(reference())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
