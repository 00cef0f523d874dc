"""`python -m tests.sim.fault_table`: every fault against every kind of file, and what came of it.

A broker's logs are filled, stopped or killed, and used again while the fault waits for one kind of file; then the disk
is mended and the broker started once more. The outcome is one of these, or the table does not come to its end:

```
clean error        an operation or the start was refused with an error; or, where another topic's id is read in
                   partition.metadata, the log is put aside as -stray, whole, with a warning
offline directory  the directory was taken offline, its logs answer KAFKA_STORAGE_ERROR
full recovery      the fault was met and made good: nothing is missing
not met            that operation does not happen on that kind of file; the table says why
```
A fault that one history does not meet waits in the next one: a broker in use, one that is killed amid it, a first
start, compaction, deleted topics and directories put aside.

Behind each of them every acknowledged record is there after the next start, or, where the damage lies in flushed data
itself (bit flips at rest, fsyncs that the device lied about), what is wrong is refused or fails its checksum.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from random import Random

from kwire.errors import KafkaError
from kwire.log.directory import LogDirectoryError
from kwire.log.log import Log
from tests.sim import inspection
from tests.sim.batches import promise
from tests.sim.disk import Manner, SimDisk
from tests.sim.faults import Fault, Kind
from tests.sim.model import PartitionModel
from tests.sim.steps import take
from tests.sim.world import PARTITIONS, StorageFailedError, World

FILE_KINDS = {
    ".log": ".log",
    ".index": ".index",
    ".timeindex": ".timeindex",
    ".txnindex": ".txnindex",
    ".snapshot": ".snapshot",
    "leader epochs": "leader-epoch-checkpoint",
    "partition.metadata": "partition.metadata",
    "recovery points": "recovery-point-offset-checkpoint",
    "high watermarks": "replication-offset-checkpoint",
    "log starts": "log-start-offset-checkpoint",
    "compaction points": "cleaner-offset-checkpoint",
    "meta.properties": "meta.properties",
    ".lock": ".lock",
    "clean-stop marker": ".kafka_cleanshutdown",
    "-delete directories": "-delete",
    "-stray directories": "-stray",
    "directories": "/",
}
"""What the table calls a kind of file -> the part of its path. ("directories": their renames, listings and fsyncs.)"""

FAULTS = {
    "EIO on read": (Kind.EIO, "read"),
    "EIO on write": (Kind.EIO, "write"),
    "EIO on fsync": (Kind.EIO, "fsync"),
    "EIO on open": (Kind.EIO, "open"),
    "EIO on rename": (Kind.EIO, "rename"),
    "EIO on unlink": (Kind.EIO, "unlink"),
    "ENOSPC": (Kind.ENOSPC, "write"),
    "short write": (Kind.SHORT_WRITE, "write"),
    "slow disk": (Kind.SLOW, "fsync"),
    "lost fsync": (Kind.LOST_FSYNC, "fsync"),
    "torn rename": (Kind.TORN_RENAME, "rename"),
    "bit flip on read": (Kind.BIT_FLIP, "read"),
    "bit flip at rest": None,
}
_ALL_BUT_NAMES = (
    *("EIO on read", "EIO on write", "EIO on fsync", "EIO on open", "ENOSPC", "short write", "slow disk"),
    *("lost fsync", "bit flip on read", "bit flip at rest"),
)
NEVER = {
    ".lock": {
        "EIO on read": "it is empty",
        "EIO on write": "it is empty",
        "EIO on fsync": "the lock is the kernel's, its name may go",
        "EIO on rename": "it is made under its name",
        "ENOSPC": "it is empty",
        "short write": "it is empty",
        "slow disk": "it is never synced",
        "lost fsync": "it is never synced",
        "torn rename": "it is made under its name",
        "bit flip on read": "it is empty",
        "bit flip at rest": "it is empty",
    },
    "clean-stop marker": {
        "EIO on fsync": "lost, it costs a longer start",
        "slow disk": "it is never synced",
        "lost fsync": "it is never synced",
        "EIO on rename": "it is made under its name",
        "torn rename": "it is made under its name",
        "bit flip on read": "that it is there is all it says",
    },
    "directories": {"bit flip at rest": "the file system's own"},
    "-delete directories": dict.fromkeys(_ALL_BUT_NAMES, "nothing is done in them but unlinking"),
    "-stray directories": dict.fromkeys((*_ALL_BUT_NAMES, "EIO on unlink"), "put aside, they are not touched again"),
    "compaction points": {"EIO on unlink": "it is replaced, never removed"},
    "meta.properties": {"EIO on unlink": "it is written once"},
    "partition.metadata": {
        "EIO on rename": "it is made under its name, but for one that was lost",
        "torn rename": "it is made under its name, but for one that was lost",
        "EIO on unlink": "it goes with its directory",
    },
    ".txnindex": {"bit flip on read": "Kafka's format has no checksum: nobody could tell"},
    "leader epochs": {"EIO on unlink": "it goes with its directory"},
    "recovery points": {"EIO on unlink": "it is replaced, never removed"},
    "high watermarks": {"EIO on unlink": "it is replaced, never removed"},
    "log starts": {"EIO on unlink": "it is replaced, never removed"},
}
"""Kind of file -> fault -> why they do not meet."""

OUTCOMES = ("clean error", "offline directory", "full recovery", "not met")

LIFE = (
    *("append", "produce", "produce", "append", "end transaction", "follow", "raise high watermark", "read"),
    *("delete records", "flush closed segments", "checkpoint", "produce", "end transaction", "retain", "new leader"),
    *("append", "truncate", "flush", "read", "find time", "find aborted", "delete topic", "append", "checkpoint"),
)
LIFE_OF_COMPACTION = (
    *("append", "produce", "produce", "append", "end transaction", "follow", "raise high watermark"),
    *("flush closed segments", "checkpoint", "compact", "retain", "pass time", "compact", "compact", "remove due"),
)
_ROUNDS = 8
_SEED = 21


def filled(seed: int) -> World:
    """A world with segments, snapshots, transactions and checkpoints, and one directory."""
    world = World(seed)
    world.settings.update(
        segment_bytes=500, segment_ms=10**9, index_interval_bytes=0, retention_ms=-1, retention_bytes=4000
    )
    world.set_option("flush_messages", 1 << 62)
    live(world, Random(seed))
    return world


def live(world: World, rng: Random, steps: Sequence[str] = LIFE * 2) -> None:
    for name in steps:
        take(world, name, rng)
        world.pass_time(10)
        for topic_partition in PARTITIONS:
            world.check(topic_partition)


def outcome(fault: Fault | None, part: str, seed: int = _SEED) -> str:
    """What becomes of one fault on one kind of file, in the first history that meets it."""
    if fault is None:
        return _damaged_at_rest(part, seed)
    for history in (_in_use, _first_start, _killed, _compacting, _compacted_and_killed, _put_aside):
        seen = history(fault, part, seed)
        if seen != "not met":
            return seen
    return "not met"


def _in_use(fault: Fault, part: str, seed: int) -> str:
    world = filled(seed)
    if fault.kind is Kind.BIT_FLIP:
        # Something to recover, and transactions in it.
        live(world, Random(seed))
        take(world, "append", Random(seed))
        world.disk.faults.arm(fault)
        return _damaged(world, part, restart=True)
    return _lived(world, fault, part, Random(seed + 1), _use)


def _lived(world: World, fault: Fault, part: str, rng: Random, use: Callable[[World, Random], str]) -> str:
    """Use the world with the fault in wait; then nothing is missing."""
    world.disk.faults.arm(fault)
    seen = use(world, rng)
    met = world.disk.faults.met_count > 0
    if fault.kind is Kind.LOST_FSYNC:
        return _damaged(world, part, restart=True, power_cut=rng) if met else "not met"
    if fault.kind is Kind.TORN_RENAME and met:
        world.cut_power(rng)
    elif seen != "full recovery" or not met:
        world.disk.faults.disarm()
        world.kill(exactly=False)
    # Whatever it was, nothing is missing now, and the logs go on.
    world.disk.faults.disarm()
    live(world, rng)
    return seen if met else "not met"


def _first_start(fault: Fault, part: str, seed: int) -> str:
    if fault.kind is Kind.BIT_FLIP:
        return "not met"
    world = World(seed)
    world.manager.close(clean=False)
    world.disk = SimDisk(world.now_ms)
    world.disk.faults.arm(fault)
    return _lived(world, fault, part, Random(seed), _started)


def _started(world: World, rng: Random) -> str:
    world.manager = world.new_manager()
    try:
        world.manager.open(world.now_ms, recovery_threads=0)
        live(world, rng)
    except (StorageFailedError, LogDirectoryError):
        return "clean error"
    return "full recovery"


def _killed(fault: Fault, part: str, seed: int) -> str:
    if fault.kind is Kind.BIT_FLIP:
        return "not met"
    world = filled(seed)
    take(world, "append", Random(seed))
    return _lived(world, fault, part, Random(seed), _started_after_kill)


def _started_after_kill(world: World, rng: Random) -> str:
    world.manager.close(clean=False)
    world.manager = world.new_manager()
    try:
        world.manager.open(world.now_ms, recovery_threads=0)
        world.check_online()
        for topic_partition in PARTITIONS:
            world.log(topic_partition)
            world.check(topic_partition, everything=True)
            world.manager.cleaner.first_dirty_offset(topic_partition)
    except (StorageFailedError, LogDirectoryError, KafkaError, OSError):
        online = all(directory.is_online for directory in world.manager.directories)
        return "clean error" if online else "offline directory"
    return "full recovery"


def compacted(seed: int) -> World:
    """A world whose logs are compacted and were so often."""
    world = World(seed)
    world.settings.update(segment_bytes=500, segment_ms=10**9, index_interval_bytes=0, retention_ms=-1)
    world.settings.update(retention_bytes=1500, delete_retention_ms=0, min_compaction_lag_ms=0)
    world.settings.update(min_cleanable_dirty_ratio=0.0, flush_messages=1 << 62, file_delete_delay_ms=0)
    world.set_option("cleanup_policy", ["compact", "delete"])
    for topic_partition in PARTITIONS:
        world.new_model(topic_partition)
    world.may_die = False
    rng = Random(seed)
    for _ in range(_ROUNDS):
        live(world, rng, LIFE_OF_COMPACTION)
    return world


def _compacting(fault: Fault, part: str, seed: int) -> str:
    world = compacted(seed)
    if fault.kind is Kind.BIT_FLIP:
        world.disk.faults.arm(fault)
        return _damaged(world, part, restart=True)
    return _lived(world, fault, part, Random(seed), _compact)


def _compacted_and_killed(fault: Fault, part: str, seed: int) -> str:
    if fault.kind is Kind.BIT_FLIP:
        return "not met"
    return _lived(compacted(seed), fault, part, Random(seed), _started_after_kill)


def _compact(world: World, rng: Random) -> str:
    try:
        for _ in range(_ROUNDS):
            live(world, rng, LIFE_OF_COMPACTION)
        world.kill()
        live(world, rng, LIFE_OF_COMPACTION)
    except (StorageFailedError, LogDirectoryError):
        online = all(directory.is_online for directory in world.manager.directories)
        return "clean error" if online else "offline directory"
    return "full recovery"


def _put_aside(fault: Fault, part: str, seed: int) -> str:
    if fault.kind is Kind.BIT_FLIP:
        return "not met"
    return _lived(filled(seed), fault, part, Random(seed), _use_new_topics)


def _use_new_topics(world: World, rng: Random) -> str:
    """Topics are deleted, and others of their name made that this broker hears of too late."""
    try:
        for topic_partition in PARTITIONS:
            world.new_model(topic_partition)
            world.log(topic_partition)
            world.check_online()
        live(world, rng)
        take(world, "delete topic", rng)
        world.pass_time(10**6)
        take(world, "remove due", rng)
    except StorageFailedError:
        return "offline directory"
    return "full recovery"


def _use(world: World, rng: Random) -> str:
    """Live on, stop and start with the fault in wait."""
    try:
        live(world, rng)
        world.stop()
        world.start_after_stop()
        live(world, rng)
    except (StorageFailedError, LogDirectoryError):
        online = all(directory.is_online for directory in world.manager.directories)
        return "clean error" if online else "offline directory"
    return "full recovery"


def _damaged_at_rest(part: str, seed: int) -> str:
    for make in (filled, compacted):
        world = make(seed)
        world.stop()
        paths = [path for path in world.disk.walk() if part in path and world.disk.content(path) and part != "/"]
        if paths:
            break
    else:
        return "not met"
    path = paths[len(paths) // 2]
    world.disk.flip_at_rest(path, len(world.disk.content(path)) // 2, 3)
    return _damaged(world, part, restart=False)


def _damaged(world: World, part: str, *, restart: bool, power_cut: Random | None = None) -> str:
    """Start on damaged files: what a client is given was appended, or fails its checksum, or is refused."""
    if restart:
        world.manager.close(clean=False)
    if power_cut is not None:
        world.disk.faults.disarm()
        world.disk.power_cut(power_cut, Manner(in_order=False, keeps=0.5))
    try:
        world.manager = world.new_manager()
        world.manager.open(world.now_ms, recovery_threads=0)
        missing = False
        for topic_partition, model in world.models.items():
            log = world.log(topic_partition)
            inspection.check_no_invented_records(log, model)
            missing |= _is_missing_something(log, model)
            world.manager.cleaner.first_dirty_offset(topic_partition)
    except (LogDirectoryError, KafkaError, StorageFailedError):
        return "clean error"
    if not world.disk.faults.met_count and restart and power_cut is None:
        return "not met"
    if any(not directory.is_online for directory in world.manager.directories):
        return "offline directory"
    aside = any("-stray/" in path for path in world.disk.walk())
    promise(not missing or aside or part in (".log", "/") or power_cut is not None, f"{part}: records are missing")
    return "clean error" if missing else "full recovery"


def _is_missing_something(log: Log, model: PartitionModel) -> bool:
    try:
        inspection.check_records(log, model)
    except (AssertionError, KafkaError):
        return True
    return False


def outcome_of(name: str, file_kind: str) -> str:
    """One cell of the table, by the names of its row and column."""
    what, part = FAULTS[name], FILE_KINDS[file_kind]
    times = 1 if name == "bit flip on read" else -1
    return outcome(None if what is None else Fault(*what, part_of_path=part, times=times, bit=12345), part)


def table() -> dict[str, dict[str, str]]:
    """Fault -> kind of file -> outcome; a broken promise is raised."""
    return {name: {file_kind: outcome_of(name, file_kind) for file_kind in FILE_KINDS} for name in FAULTS}


def main(write: Callable[[str], object] = print) -> int:
    logging.disable(logging.CRITICAL)
    rows = table()
    width = max(map(len, FILE_KINDS)) + 2
    for name, row in rows.items():
        write(f"\n{name}")
        for found in OUTCOMES:
            kinds = [file_kind for file_kind, seen in row.items() if seen == found]
            if kinds and found != "not met":
                write(f"  {found:{width}} {', '.join(kinds)}")
            for file_kind in kinds if found == "not met" else ():
                write(f"  {found:{width}} {file_kind}: {NEVER[file_kind][name]}")
    cells = [seen for row in rows.values() for seen in row.values()]
    counts = ", ".join(f"{found} {cells.count(found)}" for found in OUTCOMES)
    write(f"\n{len(cells)} combinations: {counts}; silent damage 0")
    return 0


if __name__ == "__main__":
    sys.exit(main())
