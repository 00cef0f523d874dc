"""A topic's configuration, and what may be written into it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kwire.config.broker_config import BrokerConfig
from kwire.config.derived_config import DerivedConfig
from kwire.config.entry import SOURCE_TOPIC
from kwire.config.option import ConfigError, Option, nearest
from kwire.config.topic_options import TOPIC_OPTIONS as _ROWS
from kwire.errors import ErrorCode, KafkaError

TOPIC_OPTIONS: Final[dict[str, Option]] = {option.name: option for option in _ROWS}
"""Every topic option by name."""


class TopicConfig(DerivedConfig):
    """The options of one topic: its overrides over the broker's values."""

    __slots__ = ()

    def __init__(self, broker: BrokerConfig, overrides: Mapping[str, str]) -> None:
        super().__init__(TOPIC_OPTIONS, SOURCE_TOPIC, broker, overrides)

    def get(self, name: str) -> Any:
        value = super().get(name)
        # `log.retention.hours=-1` times 3600000 is still "no limit" (KafkaConfig.logRetentionTimeMillis).
        return -1 if name == "retention.ms" and value < 0 else value


def validate_topic_overrides(overrides: Mapping[str, str | None]) -> None:
    """Refuse overrides that a topic cannot have: the whole set after a change, or that of a new topic.

    Raises KafkaError(INVALID_CONFIG) for an unknown name, a null value, a value out of type or bounds, and for values
    that contradict each other (apache/kafka `LogConfig.validate`).
    """
    values: dict[str, Any] = {}
    for name, text in overrides.items():
        option = TOPIC_OPTIONS.get(name)
        if option is None:
            raise _invalid(f"unknown topic option {name}{nearest(name, list(TOPIC_OPTIONS))}")
        if text is None:
            raise _invalid(f"{name}: null is not a value for a topic option")
        try:
            values[name] = option.parse(text)
        except ConfigError as error:
            raise _invalid(error.message) from None
    shortest, longest = values.get("min.compaction.lag.ms", 0), values.get("max.compaction.lag.ms", 2**63 - 1)
    if shortest > longest:
        raise _invalid(f"min.compaction.lag.ms ({shortest}) must not exceed max.compaction.lag.ms ({longest})")
    if values.get("remote.storage.enable"):
        raise _invalid("remote.storage.enable: this broker has no tiered storage")
    if values.get("remote.log.delete.on.disable"):
        raise _invalid("remote.log.delete.on.disable: this broker has no tiered storage")


def _invalid(message: str) -> KafkaError:
    return KafkaError(ErrorCode.INVALID_CONFIG, message)
