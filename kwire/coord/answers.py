"""Answers that may have to wait: a response or a future of it, several of them together, work done on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias, TypeVar

R = TypeVar("R")
Q = TypeVar("Q")

Answer: TypeAlias = R | asyncio.Future[R]
"""A response, or a future of it."""


def when_all(answers: Sequence[Answer[Q]], finish: Callable[[list[Q]], R]) -> Answer[R]:
    """`finish` of all the answers in their order: at once if none has to wait."""
    if not any(isinstance(answer, asyncio.Future) for answer in answers):
        return finish([answer for answer in answers if not isinstance(answer, asyncio.Future)])

    async def collect() -> R:
        return finish([await answer if isinstance(answer, asyncio.Future) else answer for answer in answers])

    return asyncio.get_running_loop().create_task(collect())


async def settled(answer: Answer[R]) -> R:
    """The response itself."""
    return await answer if isinstance(answer, asyncio.Future) else answer


class OnDemand:
    """Runs `make` when it is asked for, once for everybody who asks meanwhile."""

    __slots__ = ("_make", "_running")

    def __init__(self, make: Callable[[], Awaitable[None]]) -> None:
        self._make = make
        self._running: asyncio.Future[None] | None = None

    async def __call__(self) -> None:
        """Wait until it is made; errors of `make` come to everybody who waits."""
        if self._running is None:
            self._running = asyncio.ensure_future(self._make_once())
        await asyncio.shield(self._running)

    async def _make_once(self) -> None:
        try:
            await self._make()
        finally:
            self._running = None
