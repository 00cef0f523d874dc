"""What idle groups cost a broker: members of many groups that only heartbeat, each on a connection of its own.

    python bench/heartbeats.py [--groups 500] [--members 4] [--seconds 20] [--protocol classic|consumer] PORT PID

PORT and PID are the broker's. Members beat every 3 s under the classic protocol (the clients' default), and as often as
the broker says under KIP-848 (5 s). Prints the CPU time that the process took, in per cent of one core, once all groups
were stable, and the percentiles of the heartbeats' round trips.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import resource
import sys
import time
import uuid
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from kwire.errors import ErrorCode
from kwire.wire.codec import decode, encode
from kwire.wire.header import read_response_header, request_header_bytes
from kwire.wire.messages import response_class
from kwire.wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from kwire.wire.messages.create_topics import CreatableTopic, CreateTopicsRequest
from kwire.wire.messages.find_coordinator import FindCoordinatorRequest
from kwire.wire.messages.heartbeat import HeartbeatRequest
from kwire.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from kwire.wire.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment

TOPIC = "heartbeats"
CLASSIC_INTERVAL_S = 3.0


class Member:
    """One connection, one member."""

    def __init__(self, port: int, group: str, trips: list[float]) -> None:
        self.port, self.group, self.trips = port, group, trips
        self.member_id, self.epoch = "", 0

    async def connect(self) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, request: Any, version: int) -> Any:
        key = type(request).__wire__.key
        frame = request_header_bytes(key, version, 1, "heartbeats") + encode(request, version)
        self.writer.write(len(frame).to_bytes(4, "big") + frame)
        size = int.from_bytes(await self.reader.readexactly(4), "big")
        answer = await self.reader.readexactly(size)
        _, offset = read_response_header(key, version, answer)
        return decode(response_class(key), version, answer, offset)

    async def timed(self, request: Any, version: int) -> Any:
        began = time.perf_counter()
        answer = await self.ask(request, version)
        self.trips.append((time.perf_counter() - began) * 1000)
        return answer

    async def join_classic(self) -> None:
        """Join and sync until the group is stable with this member in it."""
        protocol = JoinGroupRequestProtocol(name="range", metadata=b"")
        while True:
            request = JoinGroupRequest(
                group_id=self.group,
                session_timeout_ms=45_000,
                rebalance_timeout_ms=300_000,
                member_id=self.member_id,
                protocol_type="consumer",
                protocols=[protocol],
            )
            joined = await self.ask(request, 7)
            self.member_id = joined.member_id or self.member_id
            if joined.error_code:
                continue
            self.epoch = joined.generation_id
            assignments = [
                SyncGroupRequestAssignment(member_id=each.member_id, assignment=b"") for each in joined.members
            ]
            synced = await self.ask(
                SyncGroupRequest(
                    group_id=self.group,
                    generation_id=self.epoch,
                    member_id=self.member_id,
                    protocol_type="consumer",
                    protocol_name="range",
                    assignments=assignments,
                ),
                5,
            )
            if not synced.error_code:
                return

    async def beat_classic(self) -> None:
        await self.join_classic()
        while True:
            await asyncio.sleep(CLASSIC_INTERVAL_S)
            request = HeartbeatRequest(group_id=self.group, generation_id=self.epoch, member_id=self.member_id)
            answer = await self.timed(request, 4)
            if answer.error_code == ErrorCode.REBALANCE_IN_PROGRESS:
                await self.join_classic()
            elif answer.error_code:
                raise SystemExit(f"heartbeat: {ErrorCode(answer.error_code).name}")

    async def beat_consumer(self) -> None:
        self.member_id = str(uuid.uuid4())
        owned: list[Any] | None = []
        while True:
            is_first = self.epoch == 0
            request = ConsumerGroupHeartbeatRequest(
                group_id=self.group,
                member_id=self.member_id,
                member_epoch=self.epoch,
                rebalance_timeout_ms=300_000 if is_first else -1,
                subscribed_topic_names=[TOPIC] if is_first else None,
                topic_partitions=owned,
            )
            answer = await self.timed(request, 1)
            if answer.error_code:
                raise SystemExit(f"heartbeat: {ErrorCode(answer.error_code).name}")
            self.epoch, owned = answer.member_epoch, None
            if answer.assignment is not None:
                owned = list(answer.assignment.topic_partitions)
            await asyncio.sleep(answer.heartbeat_interval_ms / 1000 * random.uniform(0.9, 1.0))


def cpu_s(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(options: argparse.Namespace) -> None:
    trips: list[float] = []
    first = Member(options.port, "", trips)
    await first.connect()
    await first.ask(CreateTopicsRequest(topics=[CreatableTopic(name=TOPIC, num_partitions=4, replication_factor=1)]), 5)
    for _ in range(100):
        if not (await first.ask(FindCoordinatorRequest(key="a group", key_type=0), 1)).error_code:
            break
        await asyncio.sleep(0.1)
    tasks = []
    for number in range(options.groups):
        members = [Member(options.port, f"{options.protocol}-{number}", trips) for _ in range(options.members)]
        await asyncio.gather(*(member.connect() for member in members))
        tasks += [
            asyncio.create_task(member.beat_classic() if options.protocol == "classic" else member.beat_consumer())
            for member in members
        ]
        await asyncio.sleep(0.01)
    await asyncio.sleep(15)  # Until what the last ones to join have set off is over.
    trips.clear()
    before, began = cpu_s(options.pid), time.monotonic()
    await asyncio.sleep(options.seconds)
    used, elapsed = cpu_s(options.pid) - before, time.monotonic() - began
    failed = [task for task in tasks if task.done()]
    beats = sorted(trips)
    print(
        f"{options.protocol}: {options.groups} groups of {options.members}: {100 * used / elapsed:.1f} % of a core, "
        f"{len(beats) / elapsed:.0f} heartbeats/s, p50 {beats[len(beats) // 2]:.2f} ms, "
        f"p99 {beats[len(beats) * 99 // 100]:.2f} ms, {len(failed)} members failed"
    )


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("pid", type=int)
    parser.add_argument("--groups", type=int, default=500)
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--protocol", choices=("classic", "consumer"), default="classic")
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(measure(options))


if __name__ == "__main__":
    main()
