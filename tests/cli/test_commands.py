"""The commands against a broker in this process, as a user calls them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kwire.broker import Broker
from kwire.cli.app import kwire
from kwire.cli.client import Client, check
from kwire.cli.fetcher import Fetcher
from kwire.cli.group_member import GroupMember
from kwire.config.broker_config import BrokerConfig
from kwire.ids import TopicPartition
from kwire.testing.broker import KwireBroker
from kwire.wire.messages.share_group_heartbeat import ShareGroupHeartbeatRequest
from tests.api.streams_app import REPARTITION, joining

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def bootstrap() -> Iterator[str]:
    with KwireBroker() as broker:
        yield broker.bootstrap_servers


@pytest.fixture
def run(bootstrap: str) -> Run:
    def call(*arguments: str, exit_code: int = 0) -> Result:
        result = CliRunner().invoke(kwire, [*arguments, "-b", bootstrap])
        assert result.exit_code == exit_code, f"{result.output}\n{result.exception!r}"
        return result

    return call


def produce(run: Run, tmp_path: Path, topic: str, lines: list[str], *options: str) -> Result:
    file = tmp_path / "lines"
    file.write_text("".join(f"{line}\n" for line in lines))
    return run("produce", topic, str(file), *options)


def test_topics(run: Run) -> None:
    assert run("topic", "create", "t1", "-p", "2", "-c", "retention.ms=60000").stdout == "created topic t1\n"
    again = run("topic", "create", "t1", exit_code=1)
    assert again.stderr.startswith("Error: topic t1 cannot be created: ")
    assert "TOPIC_ALREADY_EXISTS" in again.stderr
    run("topic", "create", "t1", "--if-not-exists")
    listed = json.loads(run("topic", "list", "--json").stdout)
    assert [(t["partitions"], t["replication_factor"]) for t in listed if t["name"] == "t1"] == [(2, 1)]
    assert "t1" in run("topic", "list").stdout
    run("topic", "alter", "t1", "-p", "3", "-d", "retention.ms", "-c", "cleanup.policy=compact")
    (described,) = json.loads(run("topic", "describe", "t1", "--json").stdout)
    assert described["configs"] == {"cleanup.policy": "compact"}
    assert [p["end_offset"] for p in described["partition_list"]] == [0, 0, 0]
    assert "cleanup.policy=compact" in run("topic", "describe", "t1").stdout
    assert run("topic", "delete", "t1").stdout == "deleted topic t1\n"
    assert "topic t1: " in run("topic", "describe", "t1", exit_code=1).stderr
    assert "topic t1 cannot be deleted" in run("topic", "delete", "t1", exit_code=1).stderr


def test_a_bad_option_of_a_topic_is_named(run: Run) -> None:
    failed = run("topic", "create", "t2", "-c", "retention.ms=soon", exit_code=1)
    assert "retention.ms: 'soon' is not accepted; it takes an integer of 64 bits" in failed.stderr
    assert "write name=value" in run("topic", "create", "t2", "-c", "retention.ms", exit_code=2).stderr


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_what_is_produced_is_consumed(run: Run, tmp_path: Path, codec: str) -> None:
    topic = f"codec-{codec}"
    lines = [f"key{number % 7}:value {number}" for number in range(1000)]
    run("topic", "create", topic, "-p", "3")
    sent = produce(run, tmp_path, topic, lines, "-k", ":", "-z", codec, "-H", "source=test")
    assert sent.stderr.startswith("sent 1,000 records")
    read = run("consume", topic, "--from-beginning", "-e", "-f", "{key}:{value}\\n")
    assert sorted(read.stdout.splitlines()) == sorted(lines)
    (first,) = run("consume", topic, "-p", "0", "--from-beginning", "-n", "1", "--json", "-q").stdout.splitlines()
    record = json.loads(first)
    assert (record["partition"], record["offset"], record["headers"]) == (0, 0, [{"key": "source", "value": "test"}])


def test_json_goes_round(run: Run, tmp_path: Path) -> None:
    records = [
        {"key": "a", "value": None, "headers": [{"key": "h", "value": "1"}], "partition": 1, "timestamp": 1000},
        {"key": None, "value": "é", "headers": [], "partition": 0, "timestamp": 2000},
    ]
    run("topic", "create", "round", "-p", "2")
    produce(run, tmp_path, "round", [json.dumps(record) for record in records], "--json")
    read = [
        json.loads(line) for line in run("consume", "round", "--from-beginning", "-e", "--json").stdout.splitlines()
    ]
    wanted = sorted(records, key=lambda record: str(record["partition"]))
    for got, sent in zip(sorted(read, key=lambda record: record["partition"]), wanted, strict=True):
        assert {name: got[name] for name in sent} == sent


def test_where_to_begin(run: Run, tmp_path: Path) -> None:
    run("topic", "create", "begin")
    produce(run, tmp_path, "begin", [json.dumps({"value": str(n), "timestamp": n * 1000}) for n in range(10)], "--json")

    def values(*options: str) -> str:
        return "".join(run("consume", "begin", "-e", "-q", *options).stdout.split())

    assert values("--offset", "7") == "789"
    assert values("--offset", "-2") == "89"
    assert values("--timestamp", "4500") == "56789"
    assert values("--timestamp", "1970-01-01T00:00:08+00:00") == "89"
    assert values("--timestamp", "2040-01-01") == ""
    assert values() == ""
    assert "give one of" in run("consume", "begin", "--from-beginning", "--offset", "1", exit_code=2).stderr
    assert "has no offset 99" in run("consume", "begin", "--offset", "99", exit_code=1).stderr
    assert "no partition 5, only 0 to 0" in run("consume", "begin", "-p", "5", exit_code=1).stderr


def test_bad_lines_are_named_and_what_came_before_is_sent(run: Run, tmp_path: Path) -> None:
    run("topic", "create", "bad")
    failed = run("produce", "bad", str(lines_file(tmp_path, b"a:1\nb:2\nc\n")), "-k", ":", exit_code=1)
    assert "the key separator is missing in the line 'c'" in failed.stderr
    assert run("consume", "bad", "--from-beginning", "-e", "-q").stdout == "1\n2\n"
    failed = run("produce", "bad", str(lines_file(tmp_path, b"x\n")), "-p", "4", exit_code=1)
    assert "topic bad has no partition 4, only 0 to 0" in failed.stderr


def lines_file(tmp_path: Path, content: bytes) -> Path:
    file = tmp_path / "content"
    file.write_bytes(content)
    return file


def test_acks(run: Run, tmp_path: Path) -> None:
    run("topic", "create", "acks")
    for acks in ("0", "1", "all"):
        produce(run, tmp_path, "acks", [acks], "-a", acks)
    assert run("consume", "acks", "--from-beginning", "-n", "3", "-q").stdout.split() == ["0", "1", "all"]


def test_a_group_goes_on_where_it_stopped(run: Run, tmp_path: Path) -> None:
    run("topic", "create", "work", "-p", "2")
    produce(run, tmp_path, "work", [f"k{n}:{n}" for n in range(20)], "-k", ":")
    first = run("consume", "work", "-g", "workers", "--from-beginning", "-n", "5", "-q").stdout.split()
    rest = run("consume", "work", "-g", "workers", "-e", "-q").stdout.split()
    assert (len(first), sorted(map(int, first + rest))) == (5, list(range(20)))
    described = json.loads(run("group", "describe", "workers", "--json").stdout)
    assert (described["state"], described["members"]) == ("Empty", [])
    assert [line["lag"] for line in described["partitions"]] == [0, 0]
    assert "workers" in run("group", "list").stdout
    assert "workers" in [entry["group_id"] for entry in json.loads(run("group", "list", "--json").stdout)]


def test_offsets_are_reset(run: Run, tmp_path: Path) -> None:
    run("topic", "create", "reset", "-p", "1")
    produce(run, tmp_path, "reset", [json.dumps({"value": str(n), "timestamp": n * 1000}) for n in range(10)], "--json")
    run("consume", "reset", "-g", "resetters", "--from-beginning", "-e", "-q")

    def reset(*options: str) -> tuple[int, int]:
        (line,) = json.loads(run("group", "reset-offsets", "resetters", "--json", *options).stdout)
        return line["before"], line["after"]

    assert reset("--to-earliest", "--dry-run") == (10, 0)
    assert reset("--shift-by", "-3") == (10, 7)
    assert reset("--to-timestamp", "2500") == (7, 3)
    assert reset("--to-offset", "99", "-t", "reset:0") == (3, 10)
    assert reset("--to-earliest") == (10, 0)
    assert reset("--to-latest") == (0, 10)
    failed = run("group", "reset-offsets", "nobody", "--to-latest", exit_code=1)
    assert "group nobody has no committed offsets; name a --topic" in failed.stderr
    assert "give one of" in run("group", "reset-offsets", "resetters", exit_code=2).stderr
    assert run("group", "delete", "resetters").stdout == "deleted group resetters\n"
    assert "it does not exist" in run("group", "delete", "resetters", exit_code=1).stderr
    assert "group resetters does not exist" in run("group", "describe", "resetters", exit_code=1).stderr


def test_two_members_share_the_partitions(run: Run, bootstrap: str) -> None:
    run("topic", "create", "shared", "-p", "4")
    with Client(bootstrap) as one, Client(bootstrap) as two:
        first = GroupMember(one, "pair", ["shared"], from_beginning=True)
        second = GroupMember(two, "pair", ["shared"], from_beginning=True)
        first.poll({})
        assert len(first.assignment or []) == 4
        joining = threading.Thread(target=second.poll, args=({},))
        joining.start()
        while joining.is_alive():
            first._heartbeat_due = 0.0  # a heartbeat tells of the rebalance; no test waits for the interval
            first.poll({})
        shares = [set(first.assignment or []), set(second.assignment or [])]
        assert [len(share) for share in shares] == [2, 2]
        assert shares[0] | shares[1] == {TopicPartition("shared", number) for number in range(4)}
        busy = run("group", "reset-offsets", "pair", "--to-earliest", "-t", "shared", exit_code=1)
        assert "group pair has members; stop its consumers first" in busy.stderr
        assert "it has members" in run("group", "delete", "pair", exit_code=1).stderr
        described = json.loads(run("group", "describe", "pair", "--json").stdout)
        assert (described["state"], described["assignor"], len(described["members"])) == ("Stable", "range", 2)
        second.leave({TopicPartition("shared", 3): 0})
        first.leave({})


def test_a_share_group_is_described(run: Run, bootstrap: str) -> None:
    run("topic", "create", "shared-by-records", "-p", "2")
    beat = ShareGroupHeartbeatRequest(
        group_id="sharers", member_id="m1", member_epoch=0, subscribed_topic_names=["shared-by-records"]
    )
    with Client(bootstrap) as client:
        client.retrying(
            lambda: check(client.coordinator("sharers").call(beat, version=1).error_code, None, "a heartbeat")
        )
    described = json.loads(run("group", "describe", "sharers", "--json").stdout)
    assert (described["state"], described["protocol_type"], described["assignor"]) == ("Stable", "share", "simple")
    assert [(line["partition"], line["start"]) for line in described["partitions"]] == [(0, None), (1, None)]
    assert "TOPIC              PARTITION  START  LAG" in run("group", "describe", "sharers").stdout
    assert [g["type"] for g in json.loads(run("group", "list", "--json").stdout) if g["group_id"] == "sharers"] == [
        "share"
    ]


def test_a_streams_group_is_shown_with_its_tasks(run: Run, bootstrap: str) -> None:
    run("topic", "create", "lines", "-p", "2")
    with Client(bootstrap) as client:
        joined = client.coordinator("app").call(joining(client_tags=[], rack_id=None))
        assert joined.error_code == 0
    shown = run("group", "describe", "app").stdout
    assert "group app  Stable" in shown
    assert "tasks 0_0 0_1 1_0 1_1" in shown
    described = json.loads(run("group", "describe", "app", "--json").stdout)
    assert described["protocol_type"] == "streams"
    assert {(line["topic"], line["partition"]) for line in described["partitions"]} == {
        (topic, number) for topic in ("lines", REPARTITION) for number in (0, 1)
    }
    assert "streams" in run("group", "list").stdout
    assert "it has members" in run("group", "delete", "app", exit_code=1).stderr


def test_configurations(run: Run) -> None:
    run("topic", "create", "options")
    run("config", "alter", "--topic", "options", "-s", "retention.ms=5000", "-s", "max.message.bytes=2000")
    run("config", "alter", "--topic", "options", "-d", "max.message.bytes")
    lines = json.loads(run("config", "describe", "--topic", "options", "--json").stdout)
    said = {(line["name"], line["value"]) for line in lines if line["source"] == "topic"}
    assert said == {("retention.ms", "5000")}
    shown = run("config", "describe", "--topic", "options").stdout
    assert "retention.ms" in shown
    assert "more options are at their default" in shown
    assert "segment.bytes" in run("config", "describe", "--topic", "options", "--all", "--doc").stdout
    assert "listeners" in run("config", "describe", "--broker", "1").stdout
    assert "give one of --topic" in run("config", "describe", exit_code=2).stderr
    assert "give --set or --delete" in run("config", "alter", "--topic", "options", exit_code=2).stderr


def test_the_dev_profile_is_shown_without_a_broker() -> None:
    result = CliRunner().invoke(kwire, ["config", "describe", "--profile", "-b", "127.0.0.1:1"])
    assert result.exit_code == 0
    assert "group.initial.rebalance.delay.ms" in result.stdout


def test_no_broker_is_one_sentence() -> None:
    result = CliRunner().invoke(kwire, ["topic", "list", "-b", "127.0.0.1:1"])
    assert result.exit_code == 1
    assert result.stderr == "Error: no broker at 127.0.0.1:1 (Connection refused)\n"


def test_an_unknown_topic_is_one_sentence(run: Run) -> None:
    failed = run("consume", "absent", exit_code=1)
    assert failed.stderr == "Error: topic absent does not exist; kwire topic create absent\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["produce", "t", "-k", ""], "--key-separator"),
        (["topic", "create", "t", "-r", "32768"], "--replication-factor"),
        (["topic", "create", "t", "-p", "2147483648"], "--partitions"),
        (["topic", "alter", "t", "-p", "2147483648"], "--partitions"),
        (["topic", "list", "--timeout", "nan"], "--timeout"),
    ],
)
def test_what_no_broker_could_take_is_one_sentence(run: Run, arguments: list[str], said: str) -> None:
    result = run(*arguments, exit_code=2)
    assert said in result.stderr


def test_an_endless_timeout(run: Run) -> None:
    run("topic", "list", "--timeout", "inf")


def test_an_unknown_command_names_the_nearest() -> None:
    result = CliRunner().invoke(kwire, ["topics"])
    assert result.exit_code == 2
    assert "No such command 'topics' (did you mean topic?)" in result.stderr


def test_fetching_many_partitions(run: Run, tmp_path: Path, bootstrap: str) -> None:
    run("topic", "create", "many", "-p", "10")
    produce(run, tmp_path, "many", [f"{n}:{n}" for n in range(100)], "-k", ":")
    with Client(bootstrap) as client:
        fetcher = Fetcher(client, {TopicPartition("many", number): 0 for number in range(10)})
        assert sorted(int(consumed.record.value or b"") for consumed in fetcher.poll()) == list(range(100))
        assert sum(fetcher.positions.values()) == 100


def test_transactions(run: Run, bootstrap: str) -> None:
    from confluent_kafka import KafkaException, Producer

    run("topic", "create", "paid", "-p", "1")
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": "pay"})
    producer.init_transactions(20)
    assert "has no open transaction" in run("txn", "abort", "pay", exit_code=1).stderr
    producer.begin_transaction()
    producer.produce("paid", b"1", partition=0)
    producer.flush(20)
    listed = json.loads(run("txn", "list", "--state", "Ongoing", "--json").stdout)
    assert [entry["transactional_id"] for entry in listed] == ["pay"]
    assert "pay" in run("txn", "list").stdout
    described = json.loads(run("txn", "describe", "pay", "--json").stdout)
    assert (described["state"], described["partitions"]) == ("Ongoing", [{"topic": "paid", "partition": 0}])
    assert "open for" in run("txn", "describe", "pay").stdout
    assert run("txn", "abort", "pay").stdout == "aborted the transaction of pay\n"
    with pytest.raises(KafkaException):
        producer.commit_transaction(20)
    assert "Empty" in run("txn", "describe", "pay").stdout
    assert "transactional id nobody" in run("txn", "describe", "nobody", exit_code=1).stderr
    assert "there is no state Asleep" in run("txn", "list", "-s", "Asleep", exit_code=1).stderr


def test_a_hanging_transaction(run: Run, bootstrap: str) -> None:
    from confluent_kafka import Producer

    run("topic", "create", "hang", "-p", "1")
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": "hanging"})
    producer.init_transactions(20)
    assert "no transaction is open" in run("txn", "abort", "--partition", "hang:0", exit_code=1).stderr
    producer.begin_transaction()
    producer.produce("hang", b"1", partition=0)
    producer.flush(20)
    aborted = run("txn", "abort", "--partition", "hang:0")
    assert aborted.stdout.startswith("aborted the transaction of producer ")
    assert "no transaction is open" in run("txn", "abort", "--partition", "hang:0", exit_code=1).stderr
    assert "write topic:number" in run("txn", "abort", "--partition", "hang", exit_code=2).stderr
    assert "give either" in run("txn", "abort", exit_code=2).stderr


def test_log_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def with_directories(config: BrokerConfig, *, ephemeral: bool) -> Broker:
        return Broker(config)

    monkeypatch.setattr("kwire.testing.broker.Broker", with_directories)
    with KwireBroker(options={"log.dirs": f"{tmp_path}/one,{tmp_path}/two"}) as broker:

        def call(*arguments: str) -> Result:
            return CliRunner().invoke(kwire, [*arguments, "-b", broker.bootstrap_servers])

        def rows() -> dict[str, str]:
            shown = json.loads(call("log-dirs", "describe", "moved", "--json").stdout)
            return {row["partition"]: row["directory"] for row in shown if not row["state"]}

        assert call("topic", "create", "moved", "-p", "3").exit_code == 0
        assert rows().keys() == {"moved-0", "moved-1", "moved-2"}
        assert call("log-dirs", "move", "moved", f"{tmp_path}/two").exit_code == 0
        assert set(rows().values()) == {f"{tmp_path}/two"}
        said = call("log-dirs", "move", "moved", f"{tmp_path}/one", "-p", "1").stdout
        assert said == f"1 partitions of moved move to {tmp_path}/one\n"
        assert rows()["moved-1"] == f"{tmp_path}/one"
        assert "moved-2" in call("log-dirs", "describe").stdout
        absent = call("log-dirs", "move", "moved", f"{tmp_path}/one", "-p", "0", "-p", "9")
        assert (absent.exit_code, absent.stderr) == (1, "Error: topic moved has no partition 9\n")
        refused = call("log-dirs", "move", "moved", "/nowhere")
        assert refused.exit_code == 1
        assert "moved-0 cannot move to /nowhere" in refused.stderr
