"""The simulator's own promises: what it does follows from the seed, its disk forgets, and the log survives it."""

from __future__ import annotations

from random import Random

import pytest

from tests.sim.disk import Manner, SimDisk
from tests.sim.faults import Fault, Kind
from tests.sim.history import run, steps_of
from tests.sim.steps import take
from tests.sim.world import World

ALL_LOST = Manner(in_order=True, keeps=0.0)


@pytest.mark.parametrize("first_seed", range(0, 200, 25))
def test_histories_keep_every_promise(first_seed: int) -> None:
    for seed in range(first_seed, first_seed + 25):
        failure = run(seed)
        assert failure is None, str(failure)


def trace(seed: int) -> list[str]:
    world, said = World(seed), []
    for step in steps_of(seed)[:20]:
        if step.name != "arm fault":
            said.append(take(world, step.name, Random(step.seed)))
    return said


def test_a_seed_always_does_the_same() -> None:
    assert trace(4) == trace(4) != trace(5)


def test_what_was_not_fsynced_is_gone_after_a_power_cut() -> None:
    disk = SimDisk()
    disk.make_directory("/d")
    kept = disk.open("/d/kept", create=True)
    disk.write_at(kept, b"kept", 0)
    disk.sync(kept)
    disk.sync_directory("/d")
    disk.write_at(kept, b"lost", 4)
    disk.create_file("/d/nameless", b"x")
    disk.sync_directory("/d")
    disk.write_at(kept, b"more", 8)
    disk.rename("/d/kept", "/d/renamed")
    disk.power_cut(Random(1), ALL_LOST)
    assert disk.walk() == ["/d/kept", "/d/nameless"]
    assert (disk.content("/d/kept"), disk.content("/d/nameless")) == (b"kept", b"")


def test_a_file_that_is_open_outlives_its_name() -> None:
    disk = SimDisk()
    disk.create_file("/x", b"data")
    file = disk.open("/x")
    disk.unlink("/x")
    assert disk.read_at(file, 9, 0) == b"data"
    assert disk.walk() == []


def test_a_short_write_leaves_a_part_and_says_so() -> None:
    disk = SimDisk()
    file = disk.open("/x", create=True)
    disk.faults.arm(Fault(Kind.SHORT_WRITE, "write", bit=3))
    with pytest.raises(OSError, match="No space left"):
        disk.write_at(file, b"0123456789", 0)
    assert disk.content("/x") == b"012"
    disk.write_at(file, b"0123456789", 0)
    assert disk.content("/x") == b"0123456789"
