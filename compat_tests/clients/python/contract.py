"""The driver contract of ../README.md for Python clients: JSON lines in, JSON lines out."""

from __future__ import annotations

import base64
import json
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, Protocol

DEADLINE_S = 40.0


class Member(Protocol):
    """One member of a consumer group, or one consumer with fixed partitions."""

    def poll(self, timeout_s: float) -> list[dict[str, Any]]: ...

    def assigned(self) -> set[int]: ...

    def commit(self, topic: str, positions: dict[int, int]) -> None: ...

    def close(self) -> None: ...


def from_base64(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


def to_base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def record(
    partition: int, offset: int, timestamp: int | None, key: bytes | None, value: bytes | None, headers: Any
) -> dict[str, Any]:
    """A record as the contract shows it; headers are pairs of name and value."""
    shown = [[name, to_base64(data)] for name, data in headers or []]
    return {"p": partition, "o": offset, "t": timestamp, "k": to_base64(key), "v": to_base64(value), "h": shown}


def read(member: Member, count: int) -> list[dict[str, Any]]:
    """Poll until there are `count` records; raises TimeoutError when they do not come."""
    deadline = time.monotonic() + DEADLINE_S
    records: list[dict[str, Any]] = []
    while len(records) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(records)} of {count} records after {DEADLINE_S:.0f} s")
        records += member.poll(0.2)
    return records


def take(member: Member, topic: str, count: int) -> list[dict[str, Any]]:
    """Read `count` records as a group member, commit behind the last one and leave."""
    try:
        records = read(member, count)[:count]
        member.commit(topic, {r["p"]: r["o"] + 1 for r in records})
        return records
    finally:
        member.close()


def run_group(join: Callable[[], Member], partitions: int, count: int) -> dict[str, Any]:
    """Three members share the partitions, one leaves, two share them again."""
    members = [join() for _ in range(3)]
    seen: dict[tuple[int, int], dict[str, Any]] = {}
    deadline = time.monotonic() + DEADLINE_S

    def settle() -> list[list[int]]:
        while True:
            for member in members:
                for each in member.poll(0.05):
                    seen[each["p"], each["o"]] = each
            shares = [sorted(member.assigned()) for member in members]
            if all(shares) and sorted(p for share in shares for p in share) == list(range(partitions)):
                return shares
            if time.monotonic() > deadline:
                raise TimeoutError(f"assignments after {DEADLINE_S:.0f} s: {shares}")

    try:
        three = settle()
        members.pop().close()
        two = settle()
        while len(seen) < count:
            settle()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(seen)} of {count} records after {DEADLINE_S:.0f} s")
        return {"three": three, "two": two, "records": list(seen.values())}
    finally:
        for member in members:
            member.close()


def serve(operations: dict[str, Callable[..., Any]]) -> None:
    """Answer requests until standard input ends. `operations` takes the request's fields as keywords."""
    answers, sys.stdout = sys.stdout, sys.stderr  # a client's own prints must not mix with the answers
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"ok": operations[request.pop("op")](**request)}
        except Exception as problem:
            traceback.print_exc()
            answer = {"error": f"{type(problem).__name__}: {problem}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
