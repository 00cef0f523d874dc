"""Samples that are kept compressed."""

from __future__ import annotations

import tarfile
from pathlib import Path


def unpack(archive: Path, directory: Path) -> Path:
    """Everything in our own `archive`, below `directory`."""
    with tarfile.open(archive) as opened:
        if hasattr(tarfile, "data_filter"):
            opened.extractall(directory, filter="data")
        else:
            opened.extractall(directory)  # Python before 3.11.4, such as Debian 12's.
    return directory
