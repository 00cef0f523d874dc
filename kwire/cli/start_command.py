"""`kwire start` as click sees it: its help, and its words for mistakes."""

from __future__ import annotations

import sys
from typing import Any

import click

from kwire.cli.start_options import START_OPTIONS, StartArguments


@click.command()
def start(**values: Any) -> None:
    """Start a broker and serve until Ctrl-C.

    Any option of Apache Kafka's broker can be set with -o, in a file, or in the environment: log.retention.ms is
    KWIRE_LOG_RETENTION_MS.

    Exit codes: 2 wrong option or value, 3 port not available, 4 data directory held by another broker, 5 data
    directory not usable.
    """
    from kwire.cli.start import run

    arguments = StartArguments()
    for field, value in values.items():
        if value is not None:
            setattr(arguments, field, list(value) if isinstance(value, tuple) else value)
    sys.exit(run(arguments))


for _option in START_OPTIONS:
    _kind: Any = click.Choice(_option.choices) if _option.choices else str
    if _option.field == "port":
        _kind = click.IntRange(0, 65535)
    start.params.append(
        click.Option(
            [*_option.flags, _option.field],
            metavar=None if _option.choices else _option.metavar,
            is_flag=_option.metavar is None,
            type=None if _option.metavar is None else _kind,
            multiple=_option.multiple,
            help=_option.doc + (f" [env: {_option.variable}]" if _option.variable else ""),
        )
    )
