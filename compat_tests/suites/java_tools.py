"""The programs of Apache Kafka's system tests, from its jars, each judged by what it prints or by its exit status.

ClientCompatibilityTest of two generations; VerifiableProducer, read back by VerifiableConsumer with both group
protocols; TransactionalMessageCopier with random aborts, by assignment and as a member of a group, whose copy must be
the input; the share consumers. Under kill -9 they run in `compat_tests.durability.exactly_once`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from functools import partial

from confluent_kafka.admin import AdminClient

from compat_tests.disk.apache import V39, V43, java
from compat_tests.durability.load import create_topic
from compat_tests.suites.suite import FAILED, PASSED, Outcome, Run, call

MESSAGES = 20_000
PROGRAM_S = 90.0
TOOLS = "org.apache.kafka.tools"


def _program(run: Run, log: str, name: str, *arguments: str, version: str = V43) -> str:
    """What the program printed; raises AssertionError unless it ended well, in time."""
    status, output = call(java(version, f"{TOOLS}.{name}", *arguments), log=run.logs / f"{log}.log", seconds=PROGRAM_S)
    assert status == 0, f"{name}: {'not ended' if status is None else f'status {status}'}: {output.strip()[-160:]}"
    return output


def _events(output: str, name: str) -> list[dict[str, object]]:
    found = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return [event for event in found if event.get("name") == name]


def _client_compatibility(run: Run, version: str) -> None:
    supported = ("offsets-for-times", "cluster-id", "create-topics", "describe-configs", "idempotent-producer")
    flags = [word for name in supported for word in (f"--{name}-supported", "True")]
    where = ("--bootstrap-server", run.bootstrap, "--topic", f"compatibility-{version}", "--num-cluster-nodes", "1")
    cannot = ("--describe-acls-supported", "False", "--expect-record-too-large-exception", "False")
    output = _program(
        run, f"compatibility-{version}", "ClientCompatibilityTest", *where, *cannot, *flags, version=version
    )
    assert "SUCCESS." in output.splitlines(), output.strip()[-160:]
    admin = AdminClient({"bootstrap.servers": run.bootstrap})
    admin.delete_topics(["newtopic"])["newtopic"].result(20)  # The program makes it, and wants it to be new.


def _fill(run: Run, topic: str) -> None:
    where = ("--bootstrap-server", run.bootstrap, "--topic", topic, "--max-messages", str(MESSAGES))
    output = _program(run, f"{topic}-producer", "VerifiableProducer", *where)
    (summary,) = _events(output, "tool_data")
    assert summary["acked"] == MESSAGES, summary


def _values(run: Run, topic: str, group: str, *arguments: str) -> list[str]:
    """The values that VerifiableConsumer sees until it has seen as many as were written."""
    committed = run.logs / "committed.properties"
    committed.write_text("isolation.level=read_committed\n")
    output = _program(
        run,
        f"{topic}-{group}",
        "VerifiableConsumer",
        *("--bootstrap-server", run.bootstrap, "--topic", topic, "--group-id", group, "--verbose"),
        *("--max-messages", str(MESSAGES), "--command-config", str(committed), *arguments),
    )
    return [str(event["value"]) for event in _events(output, "record_data")]


def _numbers_once(values: list[str]) -> None:
    found = sorted(map(int, values))
    assert found == list(range(MESSAGES)), f"{len(found)} records, {len(set(found))} of them different"


def _produced_and_consumed(run: Run, protocol: str) -> None:
    topic = f"verifiable-{protocol}"
    create_topic(run.bootstrap, topic, 4)
    _fill(run, topic)
    _numbers_once(_values(run, topic, f"of-{protocol}", "--group-protocol", protocol))


def _copied(run: Run, *mode: str) -> None:
    source, copy = f"copier-input{len(mode)}", f"copier-output{len(mode)}"
    create_topic(run.bootstrap, source, 1)
    create_topic(run.bootstrap, copy, 1)
    _fill(run, source)
    where = ("--broker-list", run.bootstrap, "--input-topic", source, "--output-topic", copy)
    who = ("--input-partition", "0", "--transactional-id", source, "--consumer-group", source)
    _program(
        run,
        source,
        "TransactionalMessageCopier",
        *where,
        *who,
        *mode,
        "--transaction-size",
        "500",
        "--enable-random-aborts",
    )
    _numbers_once(_values(run, copy, "reader"))


def _share_consumer(run: Run) -> None:
    create_topic(run.bootstrap, "shared", 1)
    _fill(run, "shared")
    where = ("--bootstrap-server", run.bootstrap, "--topic", "shared", "--group-id", "sharing")
    output = _program(
        run,
        "verifiable-share-consumer",
        "VerifiableShareConsumer",
        *(*where, "--offset-reset-strategy", "earliest", "--max-messages", str(MESSAGES), "--verbose"),
    )
    _numbers_once([str(event["value"]) for event in _events(output, "record_data")])


def _console_share_consumer(run: Run) -> None:
    """It reads on where VerifiableShareConsumer stopped, a share group's offsets being the group's."""
    _fill(run, "shared")
    where = ("--bootstrap-server", run.bootstrap, "--topic", "shared", "--group", "sharing")
    output = _program(
        run,
        "console-share-consumer",
        "consumer.ConsoleShareConsumer",
        *(*where, "--max-messages", str(MESSAGES), "--timeout-ms", "30000"),
    )
    _numbers_once(re.findall(r"^\d+$", output, re.MULTILINE))


PROGRAMS: dict[str, Callable[[Run], None]] = {
    "ClientCompatibilityTest-4.3.1": partial(_client_compatibility, version=V43),
    "ClientCompatibilityTest-3.9.2": partial(_client_compatibility, version=V39),
    "VerifiableConsumer-classic": partial(_produced_and_consumed, protocol="classic"),
    "VerifiableConsumer-consumer": partial(_produced_and_consumed, protocol="consumer"),
    "TransactionalMessageCopier": _copied,
    "TransactionalMessageCopier-in-a-group": lambda run: _copied(run, "--group-mode", "--use-group-metadata"),
    "VerifiableShareConsumer": _share_consumer,
    "ConsoleShareConsumer": _console_share_consumer,
}


def run(run: Run) -> Iterator[Outcome]:
    """Whatever keeps a program from being judged has failed it."""
    for name, program in PROGRAMS.items():
        if run.only not in name:
            continue
        began = time.monotonic()
        result, why = PASSED, ""
        try:
            program(run)
        except Exception as problem:  # One program's failure is its own outcome.
            result, why = FAILED, f"{type(problem).__name__}: {problem}".partition("\n")[0]
        yield Outcome(name, result, time.monotonic() - began, why)
