"""What is in a file of a data directory, by the file's name: the body of `kwire dump-log`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from kwire.log.files import INDEX_SUFFIX, LOG_SUFFIX, SNAPSHOT_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX
from kwire.log.offline.dump_index import IndexDump, base_offset_of, index_lines, time_index_lines, txn_index_lines
from kwire.log.offline.dump_log import LogDump, log_lines
from kwire.log.offline.dump_state import SMALL_FILES, small_file_lines, snapshot_lines
from kwire.log.offline.lines import Line, message

_QUORUM_SNAPSHOT = re.compile(r"([0-9]{20})-([0-9]{10})\.checkpoint")
_BOOTSTRAP = "bootstrap.checkpoint"


def file_lines(path: str, log: LogDump, index: IndexDump) -> Iterator[Line]:
    """The lines of a file; what the tool has to say beside them are lines of the kind "complaint".

    Raises OSError, and ValueError for a segment's file whose name holds no offset.
    """
    name = os.path.basename(path)
    suffix = "." + name.rpartition(".")[2]
    yield message(f"Dumping {path}", "file", file=path)
    if name in SMALL_FILES:
        yield from small_file_lines(path)
    elif suffix == LOG_SUFFIX:
        base = base_offset_of(path)
        yield message(f"Log starting offset: {base}", "log", startingOffset=base)
        yield from log_lines(path, os.path.abspath(path), log)
    elif name == _BOOTSTRAP:
        yield message("KRaft bootstrap snapshot", "quorum snapshot")
        yield from log_lines(path, os.path.abspath(path), log)
    elif found := _QUORUM_SNAPSHOT.fullmatch(name):
        offset, epoch = int(found[1]), int(found[2])
        yield message(
            f"Snapshot end offset: {offset}, epoch: {epoch}", "quorum snapshot", endOffset=offset, epoch=epoch
        )
        yield from log_lines(path, os.path.abspath(path), log)
    elif suffix == INDEX_SUFFIX:
        yield from index_lines(path, path, index)
    elif suffix == TIME_INDEX_SUFFIX:
        yield from time_index_lines(path, path, index)
    elif suffix == SNAPSHOT_SUFFIX:
        yield from snapshot_lines(path)
    elif suffix == TXN_INDEX_SUFFIX:
        yield from txn_index_lines(path)
    else:
        yield message(f"Ignoring unknown file {path}", "complaint")
