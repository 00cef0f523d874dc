"""Configurations that sit on top of a broker's: an override of their own, else what the broker says, else the default.

A topic's `retention.ms` is its own override, or the broker's `log.retention.ms`, or `log.retention.minutes` times
60000, or `log.retention.hours` times 3600000: the first that has a value (apache/kafka `LogConfig`,
`ServerTopicConfigSynonyms`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kwire.config.broker_config import BrokerConfig
from kwire.config.entry import SOURCE_DEFAULT, ConfigEntry, ConfigSynonym
from kwire.config.option import ConfigError, Option, value_text


class DerivedConfig:
    """The typed options of one topic or group over a broker's; texts in `overrides` win.

    Nothing is checked here: overrides were validated when they were written. The values are read when asked for, so
    a dynamic change of the broker shows at once.
    """

    __slots__ = ("_source", "_table", "broker", "overrides")

    def __init__(
        self, table: Mapping[str, Option], source: int, broker: BrokerConfig, overrides: Mapping[str, str]
    ) -> None:
        self._table = table
        self._source = source
        self.broker = broker
        self.overrides = dict(overrides)

    def get(self, name: str) -> Any:
        """The typed value in force, None when it has none; KeyError for a name that is not in the table.

        An override that another version wrote and this one does not take counts as absent.
        """
        option = self._table[name]
        if name in self.overrides:
            try:
                return option.parse(self.overrides[name])
            except ConfigError:
                pass
        for synonym, factor in option.synonyms:
            value = self.broker.get(synonym)
            if value is not None:
                return value * factor if factor != 1 else value
        return option.parse(option.default)

    def describe(self, names: Iterable[str] | None = None) -> list[ConfigEntry]:
        """The entries for DescribeConfigs, by name.

        `names` None is every option that is not internal, and internal ones that are set; unknown names are left out.
        """
        known = {name for name, option in self._table.items() if not option.internal or name in self.overrides}
        wanted = known if names is None else known.intersection(names)
        return [self._entry(self._table[name]) for name in sorted(wanted)]

    def _entry(self, option: Option) -> ConfigEntry:
        text = value_text(option.type, self.get(option.name))
        chain = self.broker.synonyms(option.synonyms[0][0]) if option.synonyms else []
        if option.name in self.overrides:
            chain = [ConfigSynonym(option.name, text, self._source), *chain]
        return ConfigEntry(
            name=option.name,
            value=text,
            source=chain[0].source if chain else SOURCE_DEFAULT,
            read_only=False,
            sensitive=option.sensitive,
            synonyms=chain,
            type=option.type,
            documentation=option.doc,
        )
