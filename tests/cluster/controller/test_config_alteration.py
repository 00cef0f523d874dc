"""Settings before, a request, settings after; what clients see is tested in tests/api."""

from __future__ import annotations

import pytest

from kwire.cluster.controller.config_alteration import (
    AlterOperation,
    EntityAlteration,
    OptionAlteration,
    altered,
    effective_texts,
)
from kwire.cluster.metadata_cache import TopicImage
from kwire.config.broker_config import BrokerConfig
from kwire.errors import ErrorCode, KafkaError

SET, DELETE, APPEND, SUBTRACT = AlterOperation


def changed(before: dict[str, str], *options: OptionAlteration, replace: bool = False) -> dict[str, str]:
    topic = TopicImage("t", bytes(16), [], before)
    effective = effective_texts(BrokerConfig({"log.cleanup.policy": "compact"}), topic)
    return altered(before, EntityAlteration("topics", "t", options, replace), effective)


def test_set_and_delete() -> None:
    before = {"retention.ms": "1", "segment.ms": "2"}
    after = changed(before, OptionAlteration("retention.ms", DELETE, None), OptionAlteration("segment.ms", SET, "3"))
    assert after == {"segment.ms": "3"}
    assert before == {"retention.ms": "1", "segment.ms": "2"}


def test_lists_start_from_the_value_in_force() -> None:
    assert changed({}, OptionAlteration("cleanup.policy", APPEND, "delete")) == {"cleanup.policy": "compact,delete"}
    own = {"cleanup.policy": "delete"}
    assert changed(own, OptionAlteration("cleanup.policy", APPEND, "delete")) == own
    assert changed(own, OptionAlteration("cleanup.policy", SUBTRACT, "delete")) == {"cleanup.policy": ""}


def test_replacing() -> None:
    assert changed({"segment.ms": "2"}, OptionAlteration("retention.ms", SET, "1"), replace=True) == {
        "retention.ms": "1"
    }


def test_the_whole_set_must_go_together() -> None:
    with pytest.raises(KafkaError) as refused:
        changed(
            {"min.compaction.lag.ms": "10"},
            OptionAlteration("max.compaction.lag.ms", SET, "5"),
        )
    assert refused.value.code is ErrorCode.INVALID_CONFIG


def test_the_brokers_own_lists() -> None:
    options = BrokerConfig({})
    alteration = EntityAlteration("brokers", "1", [OptionAlteration("log.cleanup.policy", APPEND, "compact")])
    assert altered({}, alteration, effective_texts(options, None)) == {"log.cleanup.policy": "delete,compact"}


def test_a_replacement_may_not_drop_what_cannot_be_altered() -> None:
    alteration = EntityAlteration("brokers", "1", [], replace=True)
    with pytest.raises(KafkaError) as refused:
        altered({"num.partitions": "3"}, alteration, effective_texts(BrokerConfig({}), None))
    assert refused.value.code is ErrorCode.INVALID_REQUEST
