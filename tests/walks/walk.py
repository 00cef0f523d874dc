"""What the random walks of all machines share.

A walk is a history of one machine: a seed chooses its steps, and each step has a seed of its own, so that a history
goes on as before when a step is taken out of it. After every step the walk's invariants are checked, and a follower,
a core that was fed the log and nothing else, must know what the living one knows. At the end the machine is left alone:
what was begun must then come to a rest.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from kwire.coord.formats import RecordFormat
from kwire.coord.records import CoordinatorRecord, decode_batches
from tests.histories import Failure, shortened


class Core(Protocol):
    """A coordinator's shard, as far as it is fed."""

    formats: Mapping[int, RecordFormat]

    def replay(self, record: CoordinatorRecord, producer_id: int, now_ms: int, /) -> None: ...


C = TypeVar("C", bound=Core)


class Follower(Generic[C]):
    """A core that is fed a log as it grows: at any time what a fresh one would know."""

    def __init__(self, core: C) -> None:
        self.core = core
        self._fed = 0

    def follow(self, log: Sequence[bytearray], now_ms: int) -> C:
        """The core, fed what came to `log` since the last time."""
        for data in log[self._fed :]:
            for batch in decode_batches(data, self.core.formats):
                for record in batch.records:
                    self.core.replay(record, batch.producer_id, now_ms)
        self._fed = len(log)
        return self.core


class Walk(ABC):
    """One history. What a step does follows from `rng`, which is seeded for it, and from what there is by then."""

    STEPS: ClassVar = 200

    def __init__(self, seed: int, told: list[str] | None = None) -> None:
        """What happens is told to `told`, line by line, if somebody wants to know."""
        self.rng = Random(seed)
        self.told = told
        self.seen: set[str] = set()
        """States and answers that the walk has met: it would prove nothing if it never left the beginning."""

    @abstractmethod
    def step(self) -> None:
        """Something happens."""

    @abstractmethod
    def check(self) -> None:
        """The invariants of any instant."""

    @abstractmethod
    def follow(self) -> None:
        """The follower knows what the living core knows."""

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
            walk.step()
            walk.check()
        seen |= walk.seen
    return seen
