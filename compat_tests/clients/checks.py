"""What the matrix asks of every client."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from compat_tests.clients.catalog import CODECS, Client
from compat_tests.clients.driver import Driver, DriverError
from compat_tests.clients.records import (
    Record,
    by_partition,
    differences,
    records_of,
)

CREATED_PARTITIONS = 3
GROUP_PARTITIONS = 6
SEEK_PARTITIONS = 2
TAKEN_FIRST = 23


class Cell(NamedTuple):
    """One result: outcome is "ok", "n/a" or "FAIL"; text is the reason of the last two."""

    client: str
    check: str
    outcome: str
    seconds: float
    text: str = ""


class CheckFailed(Exception):
    """The client did what it was asked, and the result is wrong."""


def expect(holds: bool, text: str) -> None:
    if not holds:
        raise CheckFailed(text)


class ClientChecks:
    """All checks of one client, each a Cell. `helper` is a driver that can do everything, and prepares topics."""

    def __init__(self, client: Client, driver: Driver, helper: Driver, run_id: str, start_ms: int) -> None:
        self.client, self.driver, self.helper = client, driver, helper
        self.start_ms = start_ms
        self.prefix = f"compat-{run_id}-{client.name}"
        self.written: dict[str, tuple[str, list[Record]]] = {}  # codec -> topic and its records

    def run(self) -> list[Cell]:
        cells = [self.cell("create", self.create)]
        cells += [self.cell(codec, partial(self.round_trip, codec)) for codec in CODECS]
        cells += [self.cell("group", self.group), self.cell("resume", self.resume), self.cell("seek", self.seek)]
        return cells

    def cell(self, check: str, action: Callable[[], None]) -> Cell:
        if not self.client.can(check):
            return Cell(self.client.name, check, "n/a", 0.0, self.client.cannot[check])
        return timed(self.client.name, check, action)

    def create(self) -> None:
        """The client makes a topic, by its administration or else by first use, and another client sees it."""
        topic = f"{self.prefix}-create"
        self.driver.ask("create", topic=topic, partitions=CREATED_PARTITIONS)
        count = self.helper.ask("partitions", topic=topic)
        if self.client.can("administration"):
            expect(count == CREATED_PARTITIONS, f"{count} partitions instead of {CREATED_PARTITIONS}")

    def round_trip(self, codec: str) -> None:
        """Everything that the client can put into records comes back byte for byte, to itself if it can read."""
        topic = f"{self.prefix}-{codec}"
        sent = records_of(self.client, codec, self.start_ms)
        self.helper.ask("create", topic=topic, partitions=1)
        self.driver.ask("produce", topic=topic, partition=0, codec=codec, records=sent)
        self.written[codec] = topic, sent
        reader = self.driver if self.client.can("consume") else self.helper
        got = reader.ask("consume", topic=topic, partitions=[0], count=len(sent))
        problem = differences(sent, got, reader.client)
        expect(not problem, problem)

    def fill(self, topic: str, partitions: int) -> list[Record]:
        """Give a topic the same records in every partition; their timestamps are set."""
        records = records_of(self.client, "none", self.start_ms, timestamps=True)
        self.helper.ask("create", topic=topic, partitions=partitions)
        for partition in range(partitions):
            self.helper.ask("produce", topic=topic, partition=partition, codec="none", records=records)
        return records

    def group(self) -> None:
        """Three members share the partitions, then two do, and together they read every record."""
        topic = f"{self.prefix}-group"
        records = self.fill(topic, GROUP_PARTITIONS)
        everything = {(p, o) for p in range(GROUP_PARTITIONS) for o in range(len(records))}
        result = self.driver.ask("group", topic=topic, group=topic, partitions=GROUP_PARTITIONS, count=len(everything))
        for members, shares in ((3, result["three"]), (2, result["two"])):
            expect(len(shares) == members and all(shares), f"not every one of {members} members has a share: {shares}")
            held = sorted(p for share in shares for p in share)
            expect(held == list(range(GROUP_PARTITIONS)), f"{members} members hold {shares}")
        seen = {(r["p"], r["o"]) for r in result["records"]}
        expect(seen == everything, f"{len(everything - seen)} records not read, {len(seen - everything)} never written")

    def resume(self) -> None:
        """A second member of the group goes on exactly behind what the first has committed."""
        topic = f"{self.prefix}-resume"
        records = self.fill(topic, 1)
        first = self.driver.ask("take", topic=topic, group=topic, count=TAKEN_FIRST)
        rest = self.driver.ask("take", topic=topic, group=topic, count=len(records) - TAKEN_FIRST)
        expect(len(first) == TAKEN_FIRST, f"the first member returned {len(first)} records")
        problem = differences(records, first + rest, self.client)
        expect(not problem, problem)

    def seek(self) -> None:
        """Reading from a timestamp that lies between two records starts at the second, in every partition."""
        topic = f"{self.prefix}-seek"
        records = self.fill(topic, SEEK_PARTITIONS)
        half = len(records) // 2
        fields = {"topic": topic, "partitions": list(range(SEEK_PARTITIONS)), "timestamp": records[half]["t"] - 1}
        got = self.driver.ask("seek", **fields, count=SEEK_PARTITIONS * (len(records) - half))
        offsets = {p: [r["o"] for r in part] for p, part in by_partition(got).items()}
        wanted = {p: list(range(half, len(records))) for p in range(SEEK_PARTITIONS)}
        expect(offsets == wanted, f"offsets {offsets!s:.200}")


def timed(client: str, check: str, action: Callable[[], None]) -> Cell:
    began = time.monotonic()
    try:
        action()
    except (CheckFailed, DriverError) as problem:
        return Cell(client, check, "FAIL", time.monotonic() - began, str(problem))
    return Cell(client, check, "ok", time.monotonic() - began)


def cross_read(reader: Driver, writer: ClientChecks) -> Cell:
    """`reader` reads everything that the writer's client wrote, with every codec."""

    def read_all() -> None:
        missing = [codec for codec in CODECS if writer.client.can(codec) and codec not in writer.written]
        expect(not missing, f"not written: {', '.join(missing)}")
        for codec, (topic, sent) in writer.written.items():
            got = reader.ask("consume", topic=topic, partitions=[0], count=len(sent))
            problem = differences(sent, got, reader.client)
            expect(not problem, f"{codec}: {problem}")

    return timed(writer.client.name, reader.client.name, read_all)
