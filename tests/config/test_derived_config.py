"""Topics and groups over a broker's values."""

from __future__ import annotations

import pytest

from kwire.config.broker_config import BrokerConfig
from kwire.config.entry import ConfigSynonym
from kwire.config.group_config import GroupConfig, validate_group_overrides
from kwire.config.topic_config import TopicConfig, validate_topic_overrides
from kwire.errors import ErrorCode, KafkaError


@pytest.mark.parametrize(
    ("static", "retention_ms"),
    [
        ({}, 604_800_000),
        ({"log.retention.hours": "1"}, 3_600_000),
        ({"log.retention.hours": "1", "log.retention.minutes": "2"}, 120_000),
        ({"log.retention.hours": "1", "log.retention.minutes": "2", "log.retention.ms": "3"}, 3),
        ({"log.retention.hours": "-1"}, -1),
        ({"log.retention.ms": "-1"}, -1),
    ],
)
def test_retention_comes_from_the_highest_synonym(static: dict[str, str], retention_ms: int) -> None:
    broker = BrokerConfig(static)
    assert TopicConfig(broker, {}).get("retention.ms") == retention_ms
    assert TopicConfig(broker, {"retention.ms": "7"}).get("retention.ms") == 7


def test_a_dynamic_change_of_the_broker_shows() -> None:
    broker = BrokerConfig({})
    topic = TopicConfig(broker, {})
    broker.apply_dynamic({}, {"log.retention.ms": "5"})
    assert topic.get("retention.ms") == 5
    (entry,) = topic.describe(["retention.ms"])
    assert (entry.value, entry.source) == ("5", 3)


def test_synonyms_as_observed_on_kafka() -> None:
    """The topic's value, then log.retention.ms (3), then log.retention.hours (5); at its default, none."""
    broker = BrokerConfig({})
    assert TopicConfig(broker, {}).describe(["retention.ms"])[0].synonyms == []
    broker.apply_dynamic({}, {"log.retention.ms": "5"})
    (entry,) = TopicConfig(broker, {"retention.ms": " 7"}).describe(["retention.ms", "no.such"])
    assert (entry.value, entry.source, entry.read_only, entry.type) == ("7", 1, False, 5)
    assert entry.synonyms == [
        ConfigSynonym("retention.ms", "7", 1),
        ConfigSynonym("log.retention.ms", "5", 3),
        ConfigSynonym("log.retention.hours", "168", 5),
    ]


def test_all_topic_options_are_described_but_internal_ones() -> None:
    broker = BrokerConfig({})
    assert len(TopicConfig(broker, {}).describe()) == 36
    assert len(TopicConfig(broker, {"internal.segment.bytes": "100"}).describe()) == 37


def test_an_override_that_is_no_longer_valid_counts_as_absent() -> None:
    topic = TopicConfig(BrokerConfig({}), {"segment.bytes": "14"})
    assert topic.get("segment.bytes") == 1_073_741_824


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"retention": "1"}, "unknown topic option retention"),
        ({"retention.msec": "1"}, "did you mean retention.ms"),
        ({"retention.ms": None}, "retention.ms: null is not a value"),
        ({"retention.ms": "soon"}, "retention.ms: 'soon' is not accepted; it takes an integer of 64 bits, at least -1"),
        ({"segment.bytes": "1024"}, "at least 1048576"),
        ({"cleanup.policy": "shred"}, "one of compact, delete"),
        ({"min.compaction.lag.ms": "9", "max.compaction.lag.ms": "8"}, "must not exceed max.compaction.lag.ms (8)"),
        ({"remote.storage.enable": "true"}, "no tiered storage"),
        ({"leader.replication.throttled.replicas": "0-1"}, "[partition]:[broker]"),
    ],
)
def test_overrides_that_a_topic_cannot_have(overrides: dict[str, str | None], message: str) -> None:
    with pytest.raises(KafkaError) as caught:
        validate_topic_overrides(overrides)
    assert caught.value.code is ErrorCode.INVALID_CONFIG
    assert message in (caught.value.message or "")


def test_overrides_that_a_topic_can_have() -> None:
    validate_topic_overrides(
        {"cleanup.policy": "", "compression.type": "zstd", "follower.replication.throttled.replicas": "*"}
    )


def test_groups() -> None:
    broker = BrokerConfig({})
    assert len(GroupConfig(broker, {}).describe()) == 17
    group = GroupConfig(broker, {"consumer.session.timeout.ms": "50000"})
    assert group.get("consumer.session.timeout.ms") == 50_000
    assert group.get("consumer.heartbeat.interval.ms") == 5000
    assert group.describe(["consumer.session.timeout.ms"])[0].source == 8


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("consumer.session.timeout", "1", "did you mean consumer.session.timeout.ms"),
        ("consumer.session.timeout.ms", None, "null"),
        ("consumer.session.timeout.ms", "1", "group.consumer.min.session.timeout.ms asks for at least 45000"),
        ("streams.num.standby.replicas", "3", "group.streams.max.standby.replicas asks for at most 2"),
        ("share.auto.offset.reset", "none", "by_duration"),
    ],
)
def test_overrides_that_a_group_cannot_have(name: str, text: str | None, message: str) -> None:
    with pytest.raises(KafkaError) as caught:
        validate_group_overrides({name: text}, BrokerConfig({}))
    assert caught.value.code is ErrorCode.INVALID_CONFIG
    assert message in (caught.value.message or "")


@pytest.mark.parametrize("duration", ["P1D", "pt1h", "PT0.S", "P1DT1M", "PT1.123456789S", "P99999999999999D"])
def test_durations_that_a_group_may_begin_back(duration: str) -> None:
    validate_group_overrides({"share.auto.offset.reset": f"by_duration:{duration}"}, BrokerConfig({}))


@pytest.mark.parametrize(
    "duration", ["", "P", "PT", "1H", "PT-1H", "PT1.1234567890S", f"P{'9' * 17}D", f"PT{'9' * 400}H"]
)
def test_durations_that_no_group_begins_back(duration: str) -> None:
    with pytest.raises(KafkaError, match="ISO 8601"):
        validate_group_overrides({"share.auto.offset.reset": f"by_duration:{duration}"}, BrokerConfig({}))
