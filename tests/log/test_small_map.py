"""Compaction with an offset map that does not hold all keys: what is left is done in the next rounds."""

from __future__ import annotations

from pathlib import Path

from kwire.log.offset_map import SLOT_BYTES
from tests.log.building import NOW
from tests.log.compacting import compact, compacted_log, roll, survivors, write


def test_a_map_that_fills_up_leaves_the_rest_for_the_next_round(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path, segment_bytes=600)
    for n in range(60):
        write(log, [(b"%d" % (n % 40), b"%d" % n)])
    roll(log)
    rounds = []
    while (chosen := manager.cleaner.grab_filthiest(NOW)) is not None:
        manager.cleaner.done_cleaning(log, None)
        if chosen.first_dirty_offset == chosen.first_uncleanable_offset:
            break
        rounds.append(compact(manager, map_bytes=16 * SLOT_BYTES).end_offset)
        assert len(rounds) < 20
    assert rounds[0] == 14
    assert rounds[-1] == 60
    assert [(key, value) for _, key, value in survivors(log)] == [(b"%d" % (n % 40), b"%d" % n) for n in range(20, 60)]


def test_a_batch_with_more_keys_than_the_map_is_compacted_part_by_part(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path)
    write(log, [(b"%d" % (n % 5), b"%d" % n) for n in range(20)])
    roll(log)
    ends = [0]
    while ends[-1] < 20:
        ends.append(compact(manager, map_bytes=2 * SLOT_BYTES).end_offset)
        assert ends[-1] > ends[-2]
    assert [(key, value) for _, key, value in survivors(log)] == [(b"%d" % (n % 5), b"%d" % n) for n in range(15, 20)]
