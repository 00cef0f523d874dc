"""What the random walks of all machines share.

A walk is a history of one machine: a seed chooses its steps, and each step has a seed of its own, so that a history
goes on as before when a step is taken out of it. After every step the walk's invariants are checked, and a follower,
a core that was fed the log and nothing else, must know what the living one knows. Now and then the log is compacted;
a follower that was fed what is left of it must know the same. At the end the machine is left alone: what was begun must
then come to a rest.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from kwire.coord.formats import RecordFormat
from kwire.coord.records import CoordinatorRecord, LoadedBatch, decode_batches
from kwire.wire.records import build_batch, read_records
from tests.histories import Failure, shortened


class Core(Protocol):
    """A coordinator's shard, as far as it is fed."""

    formats: Mapping[int, RecordFormat]

    def replay(self, record: CoordinatorRecord, producer_id: int, now_ms: int, /) -> None: ...


C = TypeVar("C", bound=Core)


Decoded = dict[bytes, list[LoadedBatch]]
"""What batches of one log hold: histories are short of time, and read the same batches again and again."""


class Follower(Generic[C]):
    """A core that is fed a log as it grows: at any time what a fresh one would know."""

    def __init__(self, core: C, decoded: Decoded | None = None) -> None:
        self.core = core
        self._decoded = {} if decoded is None else decoded
        self._fed = 0

    def follow(self, log: Sequence[bytearray], now_ms: int) -> C:
        """The core, fed what came to `log` since the last time."""
        replay = self.core.replay
        for data in log[self._fed :]:
            for batch in self._read(bytes(data)):
                for record in batch.records:
                    replay(record, batch.producer_id, now_ms)
        self._fed = len(log)
        return self.core

    def _read(self, data: bytes) -> list[LoadedBatch]:
        batches = self._decoded.get(data)
        if batches is None:
            batches = self._decoded[data] = list(decode_batches(data, self.core.formats))
        return batches


def compacted(log: Sequence[bytearray], count: int, *, drops_tombstones: bool) -> list[bytearray]:
    """The log as the cleaner may leave it: of each key in its first `count` batches only the last record."""
    records = [list(read_records(data)) for data in log[:count]]
    last = {record.key: (at, place) for at, batch in enumerate(records) for place, record in enumerate(batch)}
    cleaned = []
    for at, batch in enumerate(records):
        left = [
            (record.timestamp, record.key, record.value, record.headers)
            for place, record in enumerate(batch)
            if last[record.key] == (at, place) and not (drops_tombstones and record.value is None)
        ]
        if left:
            cleaned.append(build_batch(left))
    return [*cleaned, *log[count:]]


class Walk(ABC):
    """One history. What a step does follows from `rng`, which is seeded for it, and from what there is by then."""

    STEPS: ClassVar = 150
    COMPACTS: ClassVar = 0.04
    """How often the log is compacted, as a part of the steps."""

    follower: Follower[Any]

    def __init__(self, seed: int, told: list[str] | None = None) -> None:
        """What happens is told to `told`, line by line, if somebody wants to know."""
        self.rng = Random(seed)
        self.told = told
        self.seen: set[str] = set()
        """States and answers that the walk has met: it would prove nothing if it never left the beginning."""

    @property
    @abstractmethod
    def log(self) -> list[bytearray]:
        """The batches of the coordinator's partition."""

    @abstractmethod
    def new_follower(self) -> Follower[Any]:
        """One that was fed nothing yet."""

    @abstractmethod
    def step(self) -> None:
        """Something happens."""

    @abstractmethod
    def check(self) -> None:
        """The invariants of any instant."""

    @abstractmethod
    def follow(self) -> None:
        """The follower knows what the living core knows."""

    def compact(self) -> None:
        """The beginning of the log is compacted, tombstones are old enough to go or not; another follower reads it."""
        log = self.log
        count, drops_tombstones = self.rng.randint(0, len(log)), self.rng.random() < 0.5
        log[:] = compacted(log, count, drops_tombstones=drops_tombstones)
        self.follower = self.new_follower()
        self.tell(f"compact {count} batches, tombstones {'go' if drops_tombstones else 'stay'}")

    @abstractmethod
    def come_to_rest(self) -> None:
        """Nothing fails any more, and nobody comes: what holds in the end, a fresh core fed the whole log included."""

    def tell(self, line: str, came_of_it: Iterable[object] = ()) -> None:
        """Remember for the trace what happens, and what comes of it."""
        if self.told is not None:
            self.told.append(line)
            self.told += [f"     {said}" for said in came_of_it]


def steps_of(walk: type[Walk], seed: int) -> list[int]:
    """The history of a seed, as the seeds of its steps."""
    rng = Random(seed)
    return [rng.getrandbits(48) for _ in range(walk.STEPS)]


def run(make: type[Walk], seed: int, steps: Sequence[Any] | None = None) -> Failure | None:
    """Walk the history of `seed`, or these steps of it; a failure has its trace."""
    steps = steps_of(make, seed) if steps is None else steps
    failure = _walk(make, seed, steps, told=None)
    return None if failure is None else _walk(make, seed, failure.steps, told=[]) or failure


def _walk(make: type[Walk], seed: int, steps: Sequence[Any], told: list[str] | None) -> Failure | None:
    walk = make(seed, told)
    taken = 0
    try:
        for step in steps:
            taken += 1
            walk.rng.seed(step)
            if walk.rng.random() < walk.COMPACTS:
                walk.compact()
            else:
                walk.step()
                walk.check()
            walk.follow()
        walk.tell("come to rest")
        walk.rng.seed(seed)
        walk.come_to_rest()
    except Exception as error:
        return Failure(seed, steps[:taken], told or [], error)
    return None


def assert_holds(make: type[Walk], seed: int) -> None:
    """The history of `seed` keeps every promise; otherwise AssertionError with the shortest trace that was found."""
    failure = run(make, seed)
    if failure is not None:
        raise AssertionError(str(shortened(failure, lambda seed, steps=None: run(make, seed, steps))))


def seen_by(make: type[Walk], seeds: Iterable[int]) -> set[str]:
    """What the walks of these seeds meet."""
    seen: set[str] = set()
    for seed in seeds:
        walk = make(seed)
        for step in steps_of(make, seed):
            walk.rng.seed(step)
            walk.rng.random()
            walk.step()
            walk.check()
        seen |= walk.seen
    return seen
