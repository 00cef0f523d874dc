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


def when_settled(answer: Answer[R], finish: Callable[[R], None]) -> None:
    """`finish` of the answer: at once if it has not to wait; never for one that is cancelled."""
    if not isinstance(answer, asyncio.Future):
        finish(answer)
        return
    answer.add_done_callback(lambda future: None if future.cancelled() else finish(future.result()))


def promised(begin: Callable[[Callable[[R], None]], None]) -> Answer[R]:
    """What `begin` says to the callback that it is given: the response itself if it does so at once."""
    said: list[R] = []
    waiting: list[asyncio.Future[R]] = []

    def done(response: R) -> None:
        said.append(response)
        if waiting and not waiting[0].done():
            waiting[0].set_result(response)

    begin(done)
    if said:
        return said[0]
    waiting.append(asyncio.get_running_loop().create_future())
    return waiting[0]


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
