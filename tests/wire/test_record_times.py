"""Offsets and timestamps alone, against reading everything."""

from __future__ import annotations

import pytest

from kwire.wire.record_batch import RECORD_BATCH_OVERHEAD, read_header, set_log_append_time
from kwire.wire.record_codec import InvalidRecordError
from kwire.wire.record_times import offsets_and_timestamps
from kwire.wire.records import build_batch, read_records

T = 1_700_000_000_000


@pytest.mark.parametrize("append_time", [False, True])
def test_they_are_those_of_the_records(append_time: bool) -> None:
    sent = [(T + n * n * 37 % 90_001 - 5, b"k", b"x" * (n % 200), [("h", b"v")] * (n % 3)) for n in range(300)]
    batch = build_batch(sent, base_offset=1000)
    if append_time:
        set_log_append_time(batch, 0, T + 7)
    found = list(offsets_and_timestamps(bytes(batch[RECORD_BATCH_OVERHEAD:]), read_header(batch)))
    assert found == [(record.offset, record.timestamp) for record in read_records(batch)]


@pytest.mark.parametrize("cut", range(1, 11))
def test_records_that_end_too_early_are_told(cut: int) -> None:
    batch = build_batch([(T, b"k", b"v", []), (T + 1_000_000, None, None, [])])
    header = read_header(batch)
    data = bytes(batch[RECORD_BATCH_OVERHEAD:-cut])
    if cut < 4:
        # What is cut lies behind the last record's offset: nobody looked there.
        assert len(list(offsets_and_timestamps(data, header))) == 2
    else:
        with pytest.raises(InvalidRecordError):
            list(offsets_and_timestamps(data, header))
