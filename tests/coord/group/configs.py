"""The coordinator's options for tests: Kafka's defaults, and what a test changes."""

from __future__ import annotations

from kwire.config.broker_config import BrokerConfig
from kwire.coord.group.config import GroupConfig


def group_config(**changes: int) -> GroupConfig:
    """Kafka's defaults except for `changes`, by the names of `GroupConfig`."""
    config = GroupConfig.from_options(BrokerConfig({}, profile="kafka").get)
    for name, value in changes.items():
        assert hasattr(config, name), name
        setattr(config, name, value)
    return config
