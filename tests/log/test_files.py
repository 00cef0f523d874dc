"""Names, and the door to the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kwire.ids import TopicPartition
from kwire.log import files
from kwire.log.files import (
    FILES,
    marked_directory_name,
    offset_name,
    parse_marked_directory,
    parse_offset_name,
    parse_partition_directory,
)

UNIQUE = "3cd6c4271443480fb510cf403ad669fe"


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("00000000000000000041.log", (41, ".log")),
        ("00000000000000000041.log.deleted", (41, ".log.deleted")),
        ("09223372036854775807.snapshot", (9223372036854775807, ".snapshot")),
        ("41.log", None),
        ("0000000000000000004١.log", None),
        ("00000000000000000041", None),
        ("leader-epoch-checkpoint", None),
    ],
)
def test_segment_names(name: str, parsed: tuple[int, str] | None) -> None:
    assert parse_offset_name(name) == parsed
    if parsed is not None:
        assert offset_name(*parsed) == name


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("t-0", TopicPartition("t", 0)),
        ("a-b.c_d-12", TopicPartition("a-b.c_d", 12)),
        ("t-", None),
        ("-0", None),
        ("t", None),
        ("t-x", None),
        ("t-²", None),
        (f"t-0.{UNIQUE}-delete", None),
    ],
)
def test_partition_directories(name: str, parsed: TopicPartition | None) -> None:
    assert parse_partition_directory(name) == parsed


def test_marked_directories() -> None:
    name = marked_directory_name(TopicPartition("gone", 0), UNIQUE, "-delete")
    assert name == f"gone-0.{UNIQUE}-delete"
    assert parse_marked_directory(name) == (TopicPartition("gone", 0), "-delete")
    assert parse_marked_directory("gone-0") is None
    long = marked_directory_name(TopicPartition("x" * 249, 12), UNIQUE, "-delete")
    assert len(long) == 255
    assert parse_marked_directory(long) is not None


def test_an_open_file_closes_with_its_last_owner(tmp_path: Path) -> None:
    file = FILES.open(str(tmp_path / "x"), create=True)
    fd = file.fd
    os.fstat(fd)
    del file
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: real(fd, bytes(data)[:3], at))
    file = FILES.open(str(tmp_path / "x"), create=True)
    FILES.write_at(file, b"0123456789", 2)
    assert (tmp_path / "x").read_bytes() == b"\0\x000123456789"


@pytest.mark.parametrize("sync", [True, False])
def test_a_replaced_file_leaves_no_temporary(tmp_path: Path, sync: bool) -> None:
    path = tmp_path / "checkpoint"
    for text in (b"old", b"new"):
        FILES.replace_file(str(path), text, sync=sync)
        assert path.read_bytes() == text
    assert list(tmp_path.iterdir()) == [path]


def test_removing_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    FILES.unlink(str(tmp_path / "x"))
    FILES.remove_directory(str(tmp_path / "d"))
    assert FILES.read_file(str(tmp_path / "x")) is None


def test_a_disk_that_takes_a_part_does_not_leave_half_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint"
    path.write_bytes(b"old")
    write = os.write
    monkeypatch.setattr(files.os, "write", lambda fd, data: write(fd, data[:3]))
    FILES.replace_file(str(path), b"0123456789", sync=False)
    assert path.read_bytes() == b"0123456789"
