"""`kwire`, and `python -m kwire`.

`kwire start` with arguments that are plainly right goes straight to the broker; everything else, its help and its
mistakes included, goes through click, whose import alone would take a tenth of the time a start may take.
"""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """The command line; ends the process with its exit code."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["start"]:
        from kwire.cli.start_options import parse

        parsed = parse(arguments[1:])
        if parsed is not None:
            gc.disable()  # Importing makes many objects and no garbage; `start` turns it on again.
            from kwire.cli.start import run

            sys.exit(run(parsed))
    from kwire.cli.app import kwire

    kwire(prog_name="kwire")


if __name__ == "__main__":
    main()
