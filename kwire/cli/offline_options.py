"""What the commands share that read files instead of speaking to a broker: how a failure is said, how lines go out."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import click


def reads_files(function: Callable[..., None]) -> Callable[..., None]:
    """Make a failing file one sentence and exit code 1; a reader that closes our output ends us quietly."""

    @functools.wraps(function)
    def command(*args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        except OSError as error:
            raise click.ClickException(f"{error.filename or 'a file'}: {error.strerror}") from None
        except KeyboardInterrupt:
            sys.exit(130)

    return command
