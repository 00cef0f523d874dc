"""Bad input: crowds, and what a log may hold that nobody wrote."""

from __future__ import annotations

import pytest

from kwire.coord.formats import GROUP_FORMATS
from kwire.coord.group.share.coordinator import share_groups
from kwire.coord.records import decode_batches
from kwire.wire.codec import DecodeError
from kwire.wire.records import build_batch
from tests.coord.group.share.script import Player, assert_replay_equals_live

CROWD = 10_000


def test_a_crowd_in_one_group() -> None:
    """Ten thousand members; the interval between assignments keeps joining cheap, and the last one is fenced alone."""
    player = Player()
    player.play("config assignment_interval_ms=15000")
    player.play(f"size {CROWD}")
    player.play("topic t 3")
    for index in range(CROWD):
        player.play(f"beat m{index}")
        if index == 0:
            player.play("made")
    assert player.play("beat onemore") == ["onemore <- GROUP_MAX_SIZE_REACHED"]
    player.play("advance 15000")
    player.play("beat m0")
    group = player.group("g")
    assert (len(group.members), group.assignment_epoch) == (CROWD, group.group_epoch)
    loads = {sum(map(len, target.values())) for target in group.targets.values()}
    assert loads <= {1, 2}
    assert player.play("beat m1 epoch=99999") == ["m1 <- FENCED_MEMBER_EPOCH"]
    player.play("beat m2")
    assert player.group("g").members["m2"].member_epoch == group.assignment_epoch
    assert_replay_equals_live(player)


@pytest.mark.parametrize("record_type", range(10, 16))
def test_records_that_do_not_parse(record_type: int) -> None:
    """A key or a value that is cut off is no record of this type: the partition does not load."""
    key = record_type.to_bytes(2, "big")
    for bad_key, value in ((key + b"\x00\x09g", b"\x00\x00"), (key + b"\x00\x01g\x00\x01m", b"\x00\x00\x7f\xff\xff")):
        with pytest.raises(DecodeError):
            list(decode_batches(build_batch([(0, bad_key, value, [])]), GROUP_FORMATS))


def test_tombstones_of_nobody() -> None:
    player = Player()
    player.play("topic t 1")
    player.play("beat a")
    player.play("beat a epoch=-1")
    tombstones = player.group("g").tombstones()
    shares = share_groups(player.shard)
    for record in tombstones * 2:
        shares.replay(record)
    assert shares.groups == {}
