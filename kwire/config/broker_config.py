"""A broker's configuration: who says what, and which value is in force.

Highest first (KIP-226): a dynamic value for this broker, a dynamic default for the cluster, the static value (file,
environment, command line: `kwire.config.sources` merges them), the profile, Kafka's default.
"""

from __future__ import annotations

import builtins
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kwire.config.broker_options import BROKER_OPTIONS
from kwire.config.cross_checks import check_together
from kwire.config.endpoints import Endpoint, check_advertised, check_listeners, parse_endpoints, parse_protocol_map
from kwire.config.entry import (
    SOURCE_DEFAULT,
    SOURCE_DYNAMIC_BROKER,
    SOURCE_DYNAMIC_DEFAULT_BROKER,
    SOURCE_STATIC_BROKER,
    ConfigEntry,
    ConfigSynonym,
)
from kwire.config.option import CLUSTER_WIDE, READ_ONLY, ConfigError, Option, nearest, value_text
from kwire.config.profiles import PROFILES
from kwire.errors import ErrorCode, KafkaError

logger = logging.getLogger("kwire.config")

PASSED_ON = ("listener.name.", "config.providers.", "rsm.config.", "rlmm.config.")
"""Prefixes under which Kafka hands whatever follows to a listener's mechanism or to a plug-in: any name is taken."""

SHOWN_WHEN_SET = (
    "follower.replication.throttled.rate",
    "leader.replication.throttled.rate",
    "replica.alter.log.dirs.io.max.bytes.per.second",
)
"""Options that Kafka knows as dynamic values only, and lists for those who have set them."""

SET_AT_START = ("listeners", "listener.security.protocol.map")
"""Options that Kafka alters live and kwire does not: its listeners are those it was started with."""

OnChange = Callable[[frozenset[str]], None]


class BrokerConfig:
    """The options of one broker, typed.

    `static` holds texts by name. Raises ConfigError for an unknown option (with the nearest names), a value that the
    option does not take, listeners that cannot be served, and values that do not go together.
    """

    def __init__(self, static: Mapping[str, str], *, profile: str = "dev") -> None:
        if profile not in PROFILES:
            raise ConfigError("profile", f"profile: {profile!r} is not one of {', '.join(PROFILES)}")
        self.profile = profile
        self.static = _with_both_broker_ids(static)
        self._profile_values = {row.option: row.value for row in PROFILES[profile]}
        if "log.dirs" in self.static:
            self._profile_values.pop("log.dir", None)
        if "broker.id" in self.static:
            self._profile_values.pop("broker.id", None)
        self._per_broker: dict[str, str] = {}
        self._cluster: dict[str, str] = {}
        self._values: dict[str, Any] = {}
        self._watchers: list[tuple[frozenset[str], OnChange]] = []
        for name, text in self.static.items():
            _check_static(name, text)
        self.listeners()
        self.advertised_listeners()
        check_together(self)

    # --- the value in force -------------------------------------------------------------------------------------

    def get(self, name: builtins.str) -> Any:
        """The typed value of an option; None when it has none. KeyError for a name that is not in the tables."""
        try:
            return self._values[name]
        except KeyError:
            value = self._values[name] = BROKER_OPTIONS[name].parse(self.text(name))
            return value

    def text(self, name: builtins.str) -> builtins.str | None:
        """The text in force for a name; None when nothing gives it one. Names the tables lack are looked up too."""
        for values, _ in self._layers():
            if name in values:
                return values[name]
        option = BROKER_OPTIONS.get(name)
        return option.default if option is not None else None

    def is_set(self, name: builtins.str) -> builtins.bool:
        """Whether anything but the profile and the default gives the option a value."""
        return name in self._per_broker or name in self._cluster or name in self.static

    def int(self, name: builtins.str) -> builtins.int:
        """An option of type INT, SHORT or LONG that has a value."""
        value = self.get(name)
        assert isinstance(value, builtins.int), f"{name} is {value!r}"
        return value

    def str(self, name: builtins.str) -> builtins.str:
        """An option of type STRING, CLASS or PASSWORD that has a value."""
        value = self.get(name)
        assert isinstance(value, builtins.str), f"{name} is {value!r}"
        return value

    def bool(self, name: builtins.str) -> builtins.bool:
        """An option of type BOOLEAN."""
        value = self.get(name)
        assert isinstance(value, builtins.bool), f"{name} is {value!r}"
        return value

    def float(self, name: builtins.str) -> builtins.float:
        """An option of type DOUBLE."""
        value = self.get(name)
        assert isinstance(value, builtins.float), f"{name} is {value!r}"
        return value

    def list(self, name: builtins.str) -> builtins.list[builtins.str]:
        """An option of type LIST; the empty list when it has no value."""
        value = self.get(name)
        return [] if value is None else builtins.list(value)

    # --- values made of several options -------------------------------------------------------------------------

    def broker_id(self) -> builtins.int:
        """`broker.id`, or `node.id` for a file written for KRaft; -1 when one is to be generated."""
        return self.int("broker.id")

    def log_dirs(self) -> builtins.list[builtins.str]:
        """The data directories: `log.dirs`, else `log.dir`; `~` stands as it was written."""
        return self.list("log.dirs") or self.list("log.dir")

    def listeners(self) -> builtins.list[Endpoint]:
        """What to serve. Listeners of a KRaft controller (`controller.listener.names`) are left out."""
        controller = {name.upper() for name in self.list("controller.listener.names")}
        texts = [t for t in self.list("listeners") if t.partition("://")[0].strip().upper() not in controller]
        endpoints = parse_endpoints("listeners", texts, self._protocol_map())
        check_listeners(endpoints)
        return endpoints

    def advertised_listeners(self) -> dict[builtins.str, Endpoint]:
        """What to announce, by listener name; a listener that is not in it announces the address a client used."""
        controller = {name.upper() for name in self.list("controller.listener.names")}
        texts = [
            t for t in self.list("advertised.listeners") if t.partition("://")[0].strip().upper() not in controller
        ]
        endpoints = parse_endpoints("advertised.listeners", texts, self._protocol_map())
        check_advertised(endpoints, self.listeners())
        return {endpoint.listener_name: endpoint for endpoint in endpoints}

    def inter_broker_listener_name(self) -> builtins.str:
        """The listener through which other brokers come: named outright, or the first one of the named protocol.

        Raises ConfigError when both options are given, or none of the listeners is meant.
        """
        option = "inter.broker.listener.name"
        name = self.get(option)
        endpoints = self.listeners()
        if name is not None:
            if self.is_set("security.inter.broker.protocol"):
                raise ConfigError(option, f"{option}: only one of it and security.inter.broker.protocol can be given")
            if name.upper() not in {endpoint.listener_name for endpoint in endpoints}:
                raise ConfigError(option, f"{option}: {name!r} is not among the names of listeners")
            return builtins.str(name.upper())
        protocol = self.str("security.inter.broker.protocol")
        for endpoint in endpoints:
            if endpoint.security_protocol == protocol:
                return endpoint.listener_name
        return endpoints[0].listener_name

    def _protocol_map(self) -> dict[builtins.str, builtins.str]:
        return parse_protocol_map(self.str("listener.security.protocol.map"))

    def warnings(self) -> builtins.list[builtins.str]:
        """Sentences about options that were given and have no effect, in order of the names."""
        from kwire.config.effects import without_effect  # read once, after the port listens

        return [
            f"{name} is given and has no effect{': ' + why if why else ''}"
            for name in sorted(self.static)
            if name in BROKER_OPTIONS and (why := without_effect(name)) is not None
        ]

    # --- dynamic values -----------------------------------------------------------------------------------------

    def apply_dynamic(
        self, per_broker: Mapping[builtins.str, builtins.str], cluster: Mapping[builtins.str, builtins.str]
    ) -> None:
        """Replace all dynamic values by those the metadata store holds, and call back whoever watches a changed one.

        A stored value that is not valid (written by another version) is logged and left out, as Kafka does.
        """
        before = {name: self.text(name) for name in (*self._per_broker, *self._cluster, *per_broker, *cluster)}
        self._per_broker = {name: text for name, text in per_broker.items() if _usable(name, text)}
        self._cluster = {name: text for name, text in cluster.items() if _usable(name, text)}
        changed = frozenset(name for name, text in before.items() if self.text(name) != text)
        for name in changed:
            self._values.pop(name, None)
        if changed:
            for names, callback in self._watchers:
                if affected := names & changed:
                    callback(affected)

    def check_dynamic(
        self,
        *,
        per_broker: Mapping[builtins.str, builtins.str] | None = None,
        cluster: Mapping[builtins.str, builtins.str] | None = None,
    ) -> None:
        """Refuse dynamic values, None for those there are, that do not go together with the others in force.

        Raises KafkaError(INVALID_REQUEST) (`DynamicBrokerConfig.validateReconfiguration`).
        """
        trial = object.__new__(BrokerConfig)
        trial.__dict__.update(self.__dict__, _values={})
        if per_broker is not None:
            trial._per_broker = dict(per_broker)
        if cluster is not None:
            trial._cluster = dict(cluster)
        try:
            check_together(trial)
        except ConfigError as error:
            raise KafkaError(ErrorCode.INVALID_REQUEST, error.message) from None

    def on_change(self, names: Iterable[builtins.str], callback: OnChange) -> None:
        """Call `callback(changed names)` after a dynamic change of one of `names`; it reads the new values by get()."""
        self._watchers.append((frozenset(names), callback))

    # --- DescribeConfigs ----------------------------------------------------------------------------------------

    def describe(
        self, names: Iterable[builtins.str] | None = None, *, cluster_default: builtins.bool = False
    ) -> builtins.list[ConfigEntry]:
        """The entries of this broker, by name; those of the cluster's dynamic defaults with `cluster_default`.

        `names` None is every option that is not internal (internal ones show when they are set), and every other name
        that was given a value. Names that nobody knows are left out.
        """
        known = set(self._cluster) if cluster_default else self._described_names()
        wanted = known if names is None else known.intersection(names)
        return [self._entry(name, cluster_default=cluster_default) for name in sorted(wanted)]

    def synonyms(self, name: builtins.str) -> builtins.list[ConfigSynonym]:
        """Everything that gives the option a value, the one in force first (`DynamicBrokerConfig`'s order)."""
        option = BROKER_OPTIONS.get(name)
        names = [synonym for synonym, _ in option.synonyms] if option is not None and option.synonyms else [name]
        sensitive = option is None or option.sensitive
        chain = [
            ConfigSynonym(synonym, None if sensitive else values[synonym], source)
            for values, source in self._layers()
            for synonym in names
            if synonym in values
        ]
        for synonym in names:
            row = BROKER_OPTIONS.get(synonym)
            if row is not None and row.default is not None:
                chain.append(ConfigSynonym(synonym, None if sensitive else row.default, SOURCE_DEFAULT))
        while chain and chain[0].name != name:
            del chain[0]  # Kafka drops what stands above the option under another name
        return chain

    def _entry(self, name: builtins.str, *, cluster_default: builtins.bool) -> ConfigEntry:
        option = BROKER_OPTIONS.get(name)
        sensitive = option is None or option.sensitive
        text = self._cluster[name] if cluster_default else self.text(name)
        if option is not None and not sensitive:
            text = value_text(option.type, option.parse(text))
        chain = self.synonyms(name)
        if cluster_default:
            chain = [synonym for synonym in chain if synonym.source == SOURCE_DYNAMIC_DEFAULT_BROKER]
        return ConfigEntry(
            name=name,
            value=None if sensitive else text,
            source=chain[0].source if chain else SOURCE_DEFAULT,
            read_only=option is None or option.update_mode == READ_ONLY,
            sensitive=sensitive,
            synonyms=chain,
            type=option.type if option is not None else 0,
            documentation=option.doc if option is not None else None,
        )

    def _described_names(self) -> set[builtins.str]:
        names = {name for name, option in BROKER_OPTIONS.items() if not option.internal}.difference(SHOWN_WHEN_SET)
        return names.union(self.static, self._per_broker, self._cluster)

    def _layers(self) -> tuple[tuple[Mapping[builtins.str, builtins.str], builtins.int], ...]:
        return (
            (self._per_broker, SOURCE_DYNAMIC_BROKER),
            (self._cluster, SOURCE_DYNAMIC_DEFAULT_BROKER),
            (self.static, SOURCE_STATIC_BROKER),
            (self._profile_values, SOURCE_STATIC_BROKER),
        )


def base_option(name: str) -> Option | None:
    """The row of an option, also of `listener.name.<listener>.<option>`; None when the tables lack it."""
    option = BROKER_OPTIONS.get(name)
    if option is None and name.startswith("listener.name."):
        return BROKER_OPTIONS.get(name.split(".", 3)[-1])
    return option


def validate_broker_alterations(changes: Mapping[str, str | None], *, per_broker: bool) -> None:
    """Refuse what AlterConfigs may not do to a broker (`per_broker`) or to the cluster's defaults.

    `changes` maps names to the new texts, None to remove one. Raises KafkaError(INVALID_REQUEST) for a read-only
    option, a per-broker option on the cluster's defaults, a bad value. Unknown names are kept, as Kafka keeps them for
    plug-ins.
    """
    for name, text in changes.items():
        option = base_option(name)
        if option is None:
            continue
        if option.update_mode == READ_ONLY:
            raise KafkaError(ErrorCode.INVALID_REQUEST, f"{name} cannot be altered while the broker runs")
        if name in SET_AT_START and text is not None:
            raise KafkaError(ErrorCode.INVALID_REQUEST, f"{name} cannot be altered while this broker runs")
        if not per_broker and (option.update_mode != CLUSTER_WIDE or name != option.name):
            raise KafkaError(ErrorCode.INVALID_REQUEST, f"{name} can be altered for single brokers only")
        try:
            option.parse(text)
        except ConfigError as error:
            raise KafkaError(ErrorCode.INVALID_REQUEST, error.message) from None


def _check_static(name: str, text: str) -> None:
    option = base_option(name)
    if option is not None:
        option.parse(text)
    elif not name.startswith(PASSED_ON):
        raise ConfigError(name, f"unknown option {name}{nearest(name, sorted(BROKER_OPTIONS))}")


def _usable(name: str, text: str) -> bool:
    option = base_option(name)
    if option is None:
        return True
    try:
        option.parse(text)
    except ConfigError as error:
        logger.error("a dynamic value in the metadata store is left out: %s", error)
        return False
    return option.update_mode != READ_ONLY and name not in SET_AT_START


def _with_both_broker_ids(static: Mapping[str, str]) -> dict[str, str]:
    """`broker.id` and `node.id` stand in for each other (`KafkaConfig.populateSynonyms`)."""
    values = dict(static)
    for name, other in (("broker.id", "node.id"), ("node.id", "broker.id")):
        if name in values and other not in values:
            values[other] = values[name]
    return values
