"""The options that a log reads."""

from __future__ import annotations

from kwire.log.config import LogConfig
from tests.log.building import OPTIONS, config


def test_a_segment_below_the_usual_minimum() -> None:
    """`internal.segment.bytes` wins where it is set, as in Kafka 4's `LogConfig.segmentSize`."""
    assert config(segment_bytes=1 << 20).segment_bytes == 1 << 20
    small = OPTIONS | {"segment.bytes": 1 << 20, "internal.segment.bytes": 100}
    assert LogConfig.from_options(small.__getitem__).segment_bytes == 100
