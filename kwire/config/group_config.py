"""A group's configuration (KIP-848's `GROUP` config resource): its overrides over the broker's `group.*` options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kwire.config.broker_config import BrokerConfig
from kwire.config.broker_options import BROKER_OPTIONS
from kwire.config.derived_config import DerivedConfig
from kwire.config.entry import SOURCE_GROUP
from kwire.config.group_options import GROUP_OPTIONS as _ROWS
from kwire.config.option import ConfigError, Option, nearest
from kwire.errors import ErrorCode, KafkaError

GROUP_OPTIONS: Final[dict[str, Option]] = {option.name: option for option in _ROWS}
"""Every group option by name."""


class GroupConfig(DerivedConfig):
    """The options of one group: its overrides over the broker's values."""

    __slots__ = ()

    def __init__(self, broker: BrokerConfig, overrides: Mapping[str, str]) -> None:
        super().__init__(GROUP_OPTIONS, SOURCE_GROUP, broker, overrides)


def validate_group_overrides(overrides: Mapping[str, str | None], broker: BrokerConfig) -> None:
    """Refuse overrides that a group cannot have.

    Raises KafkaError(INVALID_CONFIG) for an unknown name, a null, a value out of type or bounds, or outside the
    broker's `group.*.min.*` and `group.*.max.*` (apache/kafka `GroupConfig.validate`).
    """
    for name, text in overrides.items():
        option = GROUP_OPTIONS.get(name)
        if option is None:
            message = f"unknown group option {name}{nearest(name, list(GROUP_OPTIONS))}"
            raise KafkaError(ErrorCode.INVALID_CONFIG, message)
        if text is None:
            raise KafkaError(ErrorCode.INVALID_CONFIG, f"{name}: null is not a value for a group option")
        try:
            value = option.parse(text)
        except ConfigError as error:
            raise KafkaError(ErrorCode.INVALID_CONFIG, error.message) from None
        _check_broker_bounds(name, value, broker)


def _check_broker_bounds(name: str, value: object, broker: BrokerConfig) -> None:
    """`consumer.session.timeout.ms` stays between `group.consumer.min.` and `group.consumer.max.session.timeout.ms`."""
    kind, _, rest = name.partition(".")
    rest = rest.removeprefix("num.")  # group.streams.max.standby.replicas bounds streams.num.standby.replicas
    least = _broker_bound(broker, f"group.{kind}.min.{rest}")
    most = _broker_bound(broker, f"group.{kind}.max.{rest}")
    if not isinstance(value, int):
        return
    if least is not None and value < least:
        message = f"{name}: {value} is not accepted; group.{kind}.min.{rest} asks for at least {least}"
        raise KafkaError(ErrorCode.INVALID_CONFIG, message)
    if most is not None and value > most:
        message = f"{name}: {value} is not accepted; group.{kind}.max.{rest} asks for at most {most}"
        raise KafkaError(ErrorCode.INVALID_CONFIG, message)


def _broker_bound(broker: BrokerConfig, name: str) -> int | None:
    return broker.int(name) if name in BROKER_OPTIONS else None
