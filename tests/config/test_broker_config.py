"""Whose value is in force, what DescribeConfigs shows of it, what may be altered."""

from __future__ import annotations

import logging

import pytest

from kwire.config.broker_config import BrokerConfig, validate_broker_alterations
from kwire.config.entry import ConfigSynonym
from kwire.config.option import ConfigError
from kwire.errors import ErrorCode, KafkaError


def test_the_highest_source_wins() -> None:
    config = BrokerConfig({"log.segment.bytes": "2000000"})
    assert config.int("log.segment.bytes") == 2_000_000
    config.apply_dynamic({}, {"log.segment.bytes": "3000000"})
    assert config.int("log.segment.bytes") == 3_000_000
    config.apply_dynamic({"log.segment.bytes": "4000000"}, {"log.segment.bytes": "3000000"})
    assert config.int("log.segment.bytes") == 4_000_000
    assert config.describe(["log.segment.bytes"])[0].synonyms == [
        ConfigSynonym("log.segment.bytes", "4000000", 2),
        ConfigSynonym("log.segment.bytes", "3000000", 3),
        ConfigSynonym("log.segment.bytes", "2000000", 4),
        ConfigSynonym("log.segment.bytes", "1073741824", 5),
    ]
    config.apply_dynamic({}, {})
    assert config.int("log.segment.bytes") == 2_000_000


def test_profiles() -> None:
    dev, kafka = BrokerConfig({}), BrokerConfig({}, profile="kafka")
    name = "offsets.topic.replication.factor"
    assert (dev.int(name), kafka.int(name)) == (1, 3)
    assert (dev.broker_id(), kafka.broker_id()) == (1, -1)
    assert BrokerConfig({name: "2"}).int(name) == 2
    assert [synonym.source for synonym in dev.synonyms(name)] == [4, 5]
    with pytest.raises(ConfigError, match="'prod' is not one of dev, kafka"):
        BrokerConfig({}, profile="prod")


def test_directories_and_numbers_have_two_names() -> None:
    assert BrokerConfig({"log.dir": "/a"}).log_dirs() == ["/a"]
    assert BrokerConfig({"log.dir": "/a", "log.dirs": "/b,/c"}).log_dirs() == ["/b", "/c"]
    assert BrokerConfig({"node.id": "4"}).broker_id() == 4
    assert BrokerConfig({"broker.id": "5"}).int("node.id") == 5


@pytest.mark.parametrize(
    ("static", "option", "message"),
    [
        ({"log.retention.hour": "1"}, "log.retention.hour", "did you mean log.retention.hours"),
        ({"num.partitions": "0"}, "num.partitions", "'0' is not accepted; it takes an integer of 32 bits, at least 1"),
        ({"listener.name.inside.max.connections": "x"}, "max.connections", "it takes an integer"),
        ({"log.retention.ms": "0"}, "log.retention.ms", "0 would delete records at once"),
        ({"log.retention.hours": "0"}, "log.retention.hours", "0 would delete records at once"),
        ({"log.dirs": ""}, "log.dirs", "at least one directory"),
        ({"log.dirs": "/a,"}, "log.dirs", "without a name"),
        ({"log.dir": "/a,,/b"}, "log.dir", "without a name"),
        ({"log.dir": ""}, "log.dir", "at least one directory"),
        ({"max.connections.per.ip": "0"}, "max.connections.per.ip", "max.connections.per.ip.overrides"),
        ({"log.cleaner.threads": "0"}, "log.cleaner.threads", "log.cleaner.enable"),
        ({"log.cleaner.dedupe.buffer.size": "1048576"}, "log.cleaner.dedupe.buffer.size", "more than 1 MiB"),
        ({"log.cleaner.threads": "128"}, "log.cleaner.dedupe.buffer.size", "more than 1 MiB"),
        ({"log.roll.ms": "0"}, "log.roll.ms", "at least 1"),
        ({"log.roll.jitter.ms": "-1"}, "log.roll.jitter.ms", "at least 0"),
        ({"offsets.topic.compression.codec": "5"}, "offsets.topic.compression.codec", "0 to 4"),
        (
            {"share.coordinator.state.topic.compression.codec": "-1"},
            "share.coordinator.state.topic.compression.codec",
            "0 to 4",
        ),
        ({"authorizer.class.name": "a.B"}, "authorizer.class.name", "would let everybody do everything"),
        ({"zookeeper.connect": "localhost:2181"}, "zookeeper.connect", "does not join a ZooKeeper cluster yet"),
        (
            {"group.min.session.timeout.ms": "9", "group.max.session.timeout.ms": "8"},
            "group.min.session.timeout.ms",
            "(9) must not exceed group.max.session.timeout.ms (8)",
        ),
    ],
)
def test_a_bad_option_is_refused_by_name(static: dict[str, str], option: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        BrokerConfig(static)
    assert caught.value.option == option
    assert message in caught.value.message


@pytest.mark.parametrize(
    "static",
    [
        {"max.connections.per.ip": "0", "max.connections.per.ip.overrides": "127.0.0.1:9"},
        {"log.cleaner.threads": "0", "log.cleaner.enable": "false"},
        {"log.retention.ms": "1", "log.retention.minutes": "0"},
        {"log.retention.minutes": "-1", "log.retention.hours": "0"},
        {"log.cleaner.threads": "2", "log.cleaner.dedupe.buffer.size": "2097154"},
    ],
)
def test_options_that_go_together(static: dict[str, str]) -> None:
    config = BrokerConfig(static)
    assert {name: config.text(name) for name in static} == static


def test_what_kafka_passes_on_is_taken() -> None:
    config = BrokerConfig({"listener.name.inside.scram-sha-256.sasl.jaas.config": "x", "rsm.config.bucket": "b"})
    entries = {entry.name: entry for entry in config.describe()}
    assert entries["rsm.config.bucket"].value is None
    assert entries["rsm.config.bucket"].sensitive
    assert entries["rsm.config.bucket"].type == 0


def test_watchers_hear_of_the_options_they_named() -> None:
    config = BrokerConfig({})
    heard: list[frozenset[str]] = []
    config.on_change(["max.connections", "message.max.bytes"], heard.append)
    config.apply_dynamic({"max.connections": "5"}, {"log.cleaner.threads": "2"})
    config.apply_dynamic({"max.connections": "5"}, {})
    config.apply_dynamic({}, {})
    assert heard == [{"max.connections"}, {"max.connections"}]
    assert config.int("max.connections") == 2**31 - 1


def test_a_bad_dynamic_value_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    config = BrokerConfig({})
    with caplog.at_level(logging.ERROR):
        config.apply_dynamic({"max.connections": "many", "num.partitions": "9"}, {})
    assert config.int("max.connections") == 2**31 - 1
    assert config.int("num.partitions") == 1, "a read-only option cannot come from the store"
    assert "max.connections" in caplog.text


def test_describe_leaves_out_internal_options_until_they_are_set() -> None:
    names = {entry.name for entry in BrokerConfig({}).describe()}
    assert "unstable.api.versions.enable" not in names
    assert "log.segment.bytes" in names
    assert "leader.replication.throttled.rate" not in names
    assert "unstable.api.versions.enable" in {
        e.name for e in BrokerConfig({"unstable.api.versions.enable": "true"}).describe()
    }
    assert [entry.name for entry in BrokerConfig({}).describe(["no.such.option", "listeners"])] == ["listeners"]


def test_describe_shows_types_modes_and_secrets() -> None:
    config = BrokerConfig({"ssl.key.password": "hunter2", "log.cleaner.io.max.bytes.per.second": "1e10"})
    entries = {entry.name: entry for entry in config.describe()}
    password, rate = entries["ssl.key.password"], entries["log.cleaner.io.max.bytes.per.second"]
    directory, numbers = entries["log.dir"], entries["num.partitions"]
    assert (password.value, password.sensitive, password.type) == (None, True, 9)
    assert all(synonym.value is None for synonym in password.synonyms)
    assert (rate.value, rate.source, rate.read_only) == ("1.0E10", 4, False)
    assert (directory.type, directory.read_only) == (7, True)
    assert (numbers.value, numbers.source, numbers.is_default) == ("1", 5, True)


def test_describe_cluster_defaults() -> None:
    config = BrokerConfig({})
    config.apply_dynamic({"max.connections": "5"}, {"log.cleaner.threads": "2"})
    (entry,) = config.describe(cluster_default=True)
    assert (entry.name, entry.value, entry.source) == ("log.cleaner.threads", "2", 3)
    assert entry.synonyms == [ConfigSynonym("log.cleaner.threads", "2", 3)]


@pytest.mark.parametrize(
    ("name", "text", "per_broker"),
    [
        ("num.partitions", "3", True),
        ("ssl.keystore.type", "PEM", False),
        ("listener.name.inside.max.connections", "3", False),
        ("max.connections", "many", True),
        ("log.cleaner.threads", "-1", False),
        ("max.connections.per.ip.overrides", "10.0.0.1", False),
        ("max.connections.per.ip.overrides", "10.0.0.1:many", True),
        ("listeners", "PLAINTEXT://:9093", True),
        ("listener.security.protocol.map", "nonsense", True),
    ],
)
def test_alterations_that_kafka_refuses(name: str, text: str, per_broker: bool) -> None:
    with pytest.raises(KafkaError) as caught:
        validate_broker_alterations({name: text}, per_broker=per_broker)
    assert caught.value.code is ErrorCode.INVALID_REQUEST
    assert caught.value.message is not None
    assert name.removeprefix("listener.name.inside.") in caught.value.message


def test_alterations_that_kafka_takes() -> None:
    validate_broker_alterations(
        {"max.connections": "3", "somebodys.plugin": "x", "log.cleaner.threads": None}, per_broker=False
    )
    validate_broker_alterations({"listeners": None, "max.connections.per.ip.overrides": ""}, per_broker=True)
    validate_broker_alterations(
        {"ssl.keystore.type": "PEM", "listener.name.inside.max.connections": "3"}, per_broker=True
    )


def test_dynamic_values_must_go_together_with_the_others() -> None:
    config = BrokerConfig({})
    config.apply_dynamic({}, {"log.cleaner.min.compaction.lag.ms": "10"})
    config.check_dynamic(per_broker={"log.cleaner.max.compaction.lag.ms": "10"})
    for changes in (
        {"log.cleaner.max.compaction.lag.ms": "9"},
        {"log.retention.ms": "0"},
        {"log.cleaner.threads": "0"},
        {"max.connections.per.ip": "0"},
    ):
        with pytest.raises(KafkaError) as caught:
            config.check_dynamic(per_broker=changes)
        assert caught.value.code is ErrorCode.INVALID_REQUEST
        with pytest.raises(KafkaError):
            config.check_dynamic(cluster={"log.cleaner.min.compaction.lag.ms": "10", **changes})
    assert config.get("log.retention.ms") is None


def test_stored_listeners_are_left_out() -> None:
    config = BrokerConfig({"listeners": "PLAINTEXT://:9092", "advertised.listeners": "PLAINTEXT://here:9092"})
    config.apply_dynamic({"listeners": "nonsense"}, {})
    assert config.advertised_listeners()["PLAINTEXT"].host == "here"
