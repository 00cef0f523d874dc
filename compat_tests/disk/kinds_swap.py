"""Groups of every kind change brokers between Kafka 4.3.1 and kwire: what they were is told alike, and they go on."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from compat_tests.broker import kwire_command
from compat_tests.disk import kinds
from compat_tests.disk.apache import Kafka43
from compat_tests.disk.client import Client, Refused, check, wait_until
from compat_tests.disk.kinds import Heartbeats, ShareSession
from compat_tests.disk.subjects import KwireSubject
from kwire.ids import uuid_text
from kwire.wire.json_form import to_json
from kwire.wire.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from kwire.wire.messages.find_coordinator import FindCoordinatorRequest
from kwire.wire.messages.share_group_describe import ShareGroupDescribeRequest
from kwire.wire.messages.streams_group_describe import StreamsGroupDescribeRequest

SHARE_KEY_TYPE = 2
KAFKA_OPTIONS = kinds.BROKER_OPTIONS | {
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
}
_DESCRIBED: dict[str, tuple[Any, int]] = {
    kinds.CONSUMER_GROUP: (ConsumerGroupDescribeRequest, 1),
    kinds.REGEX_GROUP: (ConsumerGroupDescribeRequest, 1),
    kinds.MIGRATED_GROUP: (ConsumerGroupDescribeRequest, 1),
    kinds.STREAMS_GROUP: (StreamsGroupDescribeRequest, 0),
    kinds.SHARE_GROUP: (ShareGroupDescribeRequest, 1),
}


def told(client: Client) -> dict[str, Any]:
    """What a broker says of the groups, without the order of what has none."""
    found: dict[str, Any] = {}
    for group in _DESCRIBED:
        client.await_coordinator(group)
        found[group] = client.retrying(partial(_described, client, group))
        found[f"{group}'s offsets"] = client.committed(group)
    found["groups"] = client.groups()
    return found


def _described(client: Client, group: str) -> Any:
    request, version = _DESCRIBED[group]
    (shown,) = client.call(request(group_ids=[group]), version).groups
    check(shown.error_code, f"describe {group}", shown.error_message)
    return _in_order(to_json(shown, version))


def _in_order(shown: Any) -> Any:
    """Lists sorted; and a changelog's partitions, which are worked out with the first heartbeat, left out."""
    if isinstance(shown, list):
        return sorted(map(_in_order, shown), key=json.dumps)
    if isinstance(shown, dict):
        is_topic = "replicationFactor" in shown
        return {name: _in_order(value) for name, value in shown.items() if not (is_topic and name == "partitions")}
    return shown


def _compared(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [f"{name} was {was}, is {after[name]}" for name, was in before.items() if after[name] != was]


def _went_on(client: Client, left: Sequence[Heartbeats]) -> list[str]:
    """Each member is known to the broker still, and the sharing one gets what is not done: problems."""
    problems: list[str] = []
    consumer, streams, sharing = (member.at(client) for member in left)
    for member, fields in ((consumer, {}), (streams, {"endpoint_information_epoch": 0}), (sharing, {})):
        try:
            member.beat(**fields)
        except Refused as refused:
            problems.append(str(refused))
    session = ShareSession(client, sharing, kinds.topic_id(client, kinds.TOPIC))
    expected = {(partition, offset) for partition in range(kinds.PARTITIONS) for offset in kinds.NOT_DONE}

    def has_all() -> bool:
        session.fetch()
        return session.acquired >= expected

    wait_until(has_all, f"what is left for {sharing.group}")
    if session.acquired != expected:
        problems.append(f"{sharing.group} got {sorted(session.acquired - expected)} again, which it was done with")
    return problems


def _checked(port: int, before: dict[str, Any], left: Sequence[Heartbeats]) -> tuple[str, list[str]]:
    with Client(port) as client:
        problems = _compared(before, told(client))
        problems += _went_on(client, left)
    return f"{len(_DESCRIBED)} groups", problems


def into_kwire(folder: Path) -> tuple[str, list[str]]:
    """Kafka 4.3.1 has the groups; kwire gets its directory by `kwire log import`."""
    kafka, kwire = Kafka43(folder / "left", **KAFKA_OPTIONS), KwireSubject(folder / "taken", **kinds.BROKER_OPTIONS)
    try:
        kafka.start()
        with Client(kafka.port) as client:
            kinds.create_topics(client)
            left = kinds.write(client)
            before = told(client)
        kafka.stop()
        command = [*kwire_command(), "log", "import", str(kafka.data), "--to", str(kwire.data)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return "", [f"kwire log import ended with status {done.returncode}: {done.stdout}{done.stderr}"]
        kwire.start()
        return _checked(kwire.port, before, left)
    finally:
        kafka.kill()
        kwire.close()


def into_kafka43(folder: Path) -> tuple[str, list[str]]:
    """kwire has the groups, of topics with the ids that they have with Kafka 4.3.1, which gets the partitions."""
    kafka, kwire = Kafka43(folder / "taken", **KAFKA_OPTIONS), KwireSubject(folder / "left", **kinds.BROKER_OPTIONS)
    try:
        kafka.start()
        with Client(kafka.port) as client:
            kinds.create_topics(client)
            ids = {name: kinds.topic_id(client, name) for name in (kinds.TOPIC, kinds.SIDE_TOPIC)}
            client.await_coordinator(kinds.CONSUMER_GROUP)
            _await_share_coordinator(client, f"{kinds.SHARE_GROUP}:{uuid_text(ids[kinds.TOPIC])}:0")
        kafka.stop()
        kwire.start()
        with Client(kwire.port) as client:
            kinds.create_topics(client)
        kwire.stop()
        _rename(kwire, {name: uuid_text(each) for name, each in ids.items()})
        kwire.start()
        with Client(kwire.port) as client:
            left = kinds.write(client)
            before = told(client)
        kwire.stop()
        _move_in(kwire.data, kafka.data)
        kafka.start()
        return _checked(kafka.port, before, left)
    finally:
        kafka.kill()
        kwire.close()


def _await_share_coordinator(client: Client, key: str) -> None:
    """By which `__share_group_state` is created."""
    request = FindCoordinatorRequest(key_type=SHARE_KEY_TYPE, coordinator_keys=[key])

    def ask() -> None:
        (answer,) = client.call(request, 6).coordinators
        check(answer.error_code, f"coordinator of {key}", answer.error_message)

    client.retrying(ask)


def _rename(kwire: KwireSubject, ids: dict[str, str]) -> None:
    """Give topics other ids while the broker is down."""
    nodes = {f"/brokers/topics/{name}": name for name in ids}
    known = {path: data for path, data in kwire.znodes().items() if path in nodes and data}
    kwire.set_znodes(
        {
            path: json.dumps(json.loads(data) | {"topic_id": ids[nodes[path]]}, separators=(",", ":")).encode()
            for path, data in known.items()
        }
    )
    for name, text in ids.items():
        for path in kwire.data.glob(f"{name}-[0-9]/partition.metadata"):
            path.write_text(re.sub(r"topic_id: .*", f"topic_id: {text}", path.read_text()))


def _move_in(source: Path, target: Path) -> None:
    """Replace the files of each partition that Kafka has, but the one that says whose it is."""
    for folder in target.glob("*-[0-9]"):
        if not (source / folder.name).is_dir():
            continue
        for path in folder.iterdir():
            if path.name != "partition.metadata":
                path.unlink()
        for path in (source / folder.name).iterdir():
            if path.name != "partition.metadata":
                shutil.copy2(path, folder)
