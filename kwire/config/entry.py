"""One line of a DescribeConfigs answer, and where a value came from (KIP-226)."""

from __future__ import annotations

from typing import Final

from kwire.named_tuple import NamedTuple

# The numbers of DescribeConfigs' `configSource`.
SOURCE_TOPIC: Final = 1
SOURCE_DYNAMIC_BROKER: Final = 2
SOURCE_DYNAMIC_DEFAULT_BROKER: Final = 3
SOURCE_STATIC_BROKER: Final = 4
SOURCE_DEFAULT: Final = 5
SOURCE_GROUP: Final = 8

SOURCE_NAMES: Final = {
    0: "unknown",
    SOURCE_TOPIC: "topic",
    SOURCE_DYNAMIC_BROKER: "broker, dynamic",
    SOURCE_DYNAMIC_DEFAULT_BROKER: "cluster, dynamic",
    SOURCE_STATIC_BROKER: "broker, static",
    SOURCE_DEFAULT: "default",
    6: "logger, dynamic",
    7: "client metrics",
    SOURCE_GROUP: "group",
}


class ConfigSynonym(NamedTuple):
    """A place that gives, or would give, an option its value."""

    name: str
    value: str | None
    source: int


class ConfigEntry(NamedTuple):
    """An option with its value in force.

    `value` is None when there is none and when it is sensitive. `source` and `type` are the protocol's numbers (type 0
    is an option that the tables do not know). `synonyms` go from the one in force to the default; empty when nothing
    but the built-in default of the option itself applies.
    """

    name: str
    value: str | None
    source: int
    read_only: bool
    sensitive: bool
    synonyms: list[ConfigSynonym]
    type: int
    documentation: str | None

    @property
    def is_default(self) -> bool:
        """DescribeConfigs v0's flag."""
        return self.source == SOURCE_DEFAULT
