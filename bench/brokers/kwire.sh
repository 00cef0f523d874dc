#!/bin/sh
# kwire.sh PORT DATADIR: kwire, in the foreground. KWIRE: the command, of one
# or several words; by default the one of this repository's .venv, or else the
# `kwire` on the PATH.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"
if [ -z "${KWIRE:-}" ]; then
    KWIRE=kwire
    [ ! -x "$here/../../.venv/bin/kwire" ] || KWIRE=$here/../../.venv/bin/kwire
fi
# Where Python may not keep its bytecode, every start would compile everything.
unset PYTHONDONTWRITEBYTECODE
# shellcheck disable=SC2086  # several words
exec $KWIRE start --port "$1" --data-dir "$2"
