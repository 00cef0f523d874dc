"""The small text files."""

from __future__ import annotations

import pytest

from kwire.ids import ZERO_UUID, TopicPartition
from kwire.log.checkpoints import (
    CorruptCheckpointError,
    parse_meta_properties,
    parse_offsets,
    parse_partition_metadata,
    render_meta_properties,
    render_offsets,
    render_partition_metadata,
)


def test_offsets_round_trip() -> None:
    offsets = {TopicPartition("compacted", 0): 180, TopicPartition("a.b_c-d", 12): 2**40}
    assert render_offsets(offsets) == b"0\n2\ncompacted 0 180\na.b_c-d 12 1099511627776\n"
    assert parse_offsets(render_offsets(offsets)) == offsets
    assert parse_offsets(b"") == parse_offsets(b"0\n0\n") == {}


@pytest.mark.parametrize("damaged", [b"1\n0\n", b"0\n1\n", b"0\n1\nt 0\n", b"0\n1\nt x 5\n", b"\xff", b"0", b"x\n"])
def test_a_damaged_checkpoint(damaged: bytes) -> None:
    with pytest.raises(CorruptCheckpointError):
        parse_offsets(damaged)


def test_partition_metadata() -> None:
    topic_id = bytes(range(16))
    assert render_partition_metadata(topic_id) == b"version: 0\ntopic_id: AAECAwQFBgcICQoLDA0ODw"
    assert parse_partition_metadata(render_partition_metadata(topic_id)) == topic_id
    for damaged in (None, b"", b"version: 0\n", b"version: 0\ntopic_id: x", b"\xff"):
        assert parse_partition_metadata(damaged) == ZERO_UUID


def test_meta_properties() -> None:
    data = render_meta_properties(3, "25t3LOi2TPu8DxUcoebj8A", 1_795_252_899_500)
    assert data == b"#\n#Sat Nov 21 09:21:39 UTC 2026\nbroker.id=3\nversion=0\ncluster.id=25t3LOi2TPu8DxUcoebj8A\n"
    assert parse_meta_properties(data) == {"broker.id": "3", "version": "0", "cluster.id": "25t3LOi2TPu8DxUcoebj8A"}
