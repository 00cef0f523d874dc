"""What the commands that speak to a broker share: where it is, how a failure is said, how options are read."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

import click

from kwire.cli.client import Client, ClientError

json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON instead of a table.")
"""`--json` of the commands that show something once."""

INT16 = click.IntRange(-(1 << 15), (1 << 15) - 1)
INT32 = click.IntRange(-(1 << 31), (1 << 31) - 1)
"""Numbers that the protocol has a field for; whether the broker takes them is for it to say."""

_LONGEST_TIMEOUT_S = 86_400 * 365


def _bounded(context: click.Context, parameter: click.Parameter, timeout_s: float) -> float:
    """A time-out that sockets take: `inf` is a year; "not a number" is within every range, and is refused here."""
    if timeout_s != timeout_s:
        raise click.BadParameter("nan is no time", context, parameter)
    return min(timeout_s, _LONGEST_TIMEOUT_S)


def with_client(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--bootstrap-server` and `--timeout`, and call it with a Client as its first argument.

    A failure is one sentence on standard error and exit code 1; a reader that closes our output ends us quietly.
    """

    @click.option(
        "-b",
        "--bootstrap-server",
        envvar="KWIRE_BOOTSTRAP_SERVER",
        default="localhost:9092",
        metavar="HOST:PORT,...",
        help="A broker, or several of one cluster. [default: localhost:9092; env: KWIRE_BOOTSTRAP_SERVER]",
    )
    @click.option(
        "--timeout",
        "timeout_s",
        type=click.FloatRange(0.1),
        callback=_bounded,
        default=30.0,
        metavar="SECONDS",
        show_default=True,
        help="How long to wait for the broker.",
    )
    @functools.wraps(function)
    def command(*, bootstrap_server: str, timeout_s: float, **values: Any) -> None:
        try:
            with Client(bootstrap_server, timeout_s=timeout_s) as client:
                function(client, **values)
        except ClientError as error:
            raise click.ClickException(str(error)) from None
        except KeyboardInterrupt:
            sys.exit(130)
        except BrokenPipeError:
            # The reader (head, say) has gone: what is still buffered must not raise again at the exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)

    return command


def pairs(texts: Iterable[str], flag: str) -> dict[str, str]:
    """`name=value` texts as a dict, the last of equal names winning. Raises click.UsageError for one without `=`."""
    values: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f"{flag} {text}: write name=value")
        values[name.strip()] = value
    return values
