"""The note in a partition's directory that names the copy of it which another log directory is given (`relocations`).

```
<topic>-<partition>/.kwire_future   the 32 hex digits of `<topic>-<partition>.<32 hex>-future`
```
The log vouches for its copy. The note is on the device before anything is copied, and gone from it before anything may
happen to the log that the copy does not hear of: compaction, deletion, a start without the copy's directory. A later
start believes only a copy that is named. Apache Kafka, which believes any, passes over the note.
"""

from __future__ import annotations

import os
from contextlib import suppress

from kwire.log.files import FUTURE_DIR_SUFFIX, Files

FUTURE_NOTE = ".kwire_future"


def write(files: Files, directory: str, future_directory: str) -> None:
    """Let the partition in `directory` vouch for its copy, on the device. Raises OSError; there is no note then."""
    path = os.path.join(directory, FUTURE_NOTE)
    try:
        files.create_file(path, _digits(future_directory))
        files.sync(files.open(path))
        files.sync_directory(directory)
    except OSError:
        with suppress(OSError):
            files.unlink(path)
        raise


def read(files: Files, directory: str) -> bytes | None:
    """What a partition's note says, None without one. Raises OSError."""
    return files.read_file(os.path.join(directory, FUTURE_NOTE))


def is_of(note: bytes | None, future_directory: str) -> bool:
    """Whether a note names this copy."""
    return note == _digits(future_directory)


def remove(files: Files, directory: str) -> None:
    """No copy is vouched for any more, whatever crash comes. Raises OSError."""
    path = os.path.join(directory, FUTURE_NOTE)
    files.unlink(path)
    files.sync_directory(directory)


def _digits(future_directory: str) -> bytes:
    return future_directory.removesuffix(FUTURE_DIR_SUFFIX)[-32:].encode()
