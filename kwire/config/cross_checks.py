"""Options that must fit each other, from apache/kafka `KafkaConfig.validateValues`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kwire.config.option import ConfigError

if TYPE_CHECKING:
    from kwire.config.broker_config import BrokerConfig

AT_MOST: Final = (
    ("replica.fetch.wait.max.ms", "replica.lag.time.max.ms", "or followers leave the in-sync set while they wait"),
    ("replica.fetch.wait.max.ms", "replica.socket.timeout.ms", "or each long poll of a follower times out"),
    ("group.min.session.timeout.ms", "group.max.session.timeout.ms", "or no session timeout is valid"),
    ("group.consumer.min.heartbeat.interval.ms", "group.consumer.heartbeat.interval.ms", "its lower bound"),
    ("group.consumer.heartbeat.interval.ms", "group.consumer.max.heartbeat.interval.ms", "its upper bound"),
    ("group.consumer.min.session.timeout.ms", "group.consumer.session.timeout.ms", "its lower bound"),
    ("group.consumer.session.timeout.ms", "group.consumer.max.session.timeout.ms", "its upper bound"),
    ("group.share.min.heartbeat.interval.ms", "group.share.heartbeat.interval.ms", "its lower bound"),
    ("group.share.heartbeat.interval.ms", "group.share.max.heartbeat.interval.ms", "its upper bound"),
    ("group.share.min.session.timeout.ms", "group.share.session.timeout.ms", "its lower bound"),
    ("group.share.session.timeout.ms", "group.share.max.session.timeout.ms", "its upper bound"),
    ("group.share.min.record.lock.duration.ms", "group.share.record.lock.duration.ms", "its lower bound"),
    ("group.share.record.lock.duration.ms", "group.share.max.record.lock.duration.ms", "its upper bound"),
    ("group.streams.min.heartbeat.interval.ms", "group.streams.heartbeat.interval.ms", "its lower bound"),
    ("group.streams.heartbeat.interval.ms", "group.streams.max.heartbeat.interval.ms", "its upper bound"),
    ("group.streams.min.session.timeout.ms", "group.streams.session.timeout.ms", "its lower bound"),
    ("group.streams.session.timeout.ms", "group.streams.max.session.timeout.ms", "its upper bound"),
    ("log.cleaner.min.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms", "or nothing may ever be compacted"),
)
"""(option, option that must not be smaller, why)."""

NOT_TO_BE_PASSED_OVER: Final = (
    ("authorizer.class.name", "kwire does not authorize clients yet, and would let everybody do everything"),
    ("zookeeper.connect", "kwire does not join a ZooKeeper cluster yet, and would serve one of its own"),
)
"""Options without an effect so far whose silence would do harm: the start is refused when they have a value."""

_LEAST_DEDUPE_BYTES: Final = 1 << 20

SERVED_PROTOCOLS: Final = ("PLAINTEXT",)
"""What the listeners speak so far."""


def check_together(config: BrokerConfig) -> None:
    """Raises ConfigError when two options, each valid alone, do not go together. Defaults do by construction."""
    for smaller, larger, why in AT_MOST:
        if (config.is_set(smaller) or config.is_set(larger)) and config.int(smaller) > config.int(larger):
            values = f"({config.int(smaller)}) must not exceed {larger} ({config.int(larger)})"
            raise ConfigError(smaller, f"{smaller} {values}, {why}")
    for name, why in NOT_TO_BE_PASSED_OVER:
        if config.get(name):
            raise ConfigError(name, f"{name}: {why}")
    for endpoint in config.listeners():
        if endpoint.security_protocol not in SERVED_PROTOCOLS:
            raise ConfigError(
                "listeners",
                f"listeners: {endpoint} asks for {endpoint.security_protocol}; kwire serves PLAINTEXT so far",
            )
    if config.get("inter.broker.listener.name") is not None:
        config.inter_broker_listener_name()
    for name in ("log.dirs", "log.dir"):
        if config.is_set(name):
            _check_directories(name, config.list(name))
    for name in ("log.retention.ms", "log.retention.minutes", "log.retention.hours"):
        value = config.get(name)
        if value == 0:
            raise ConfigError(name, f"{name}: 0 would delete records at once; it takes -1 for no limit, or at least 1")
        if value is not None:
            break  # Those behind it stay without effect.
    name = "max.connections.per.ip"
    if config.get(name) == 0 and not config.get(f"{name}.overrides"):
        raise ConfigError(name, f"{name}: 0 would refuse everybody; it needs exceptions in {name}.overrides")
    if config.bool("log.cleaner.enable"):
        _check_cleaner(config.int("log.cleaner.threads"), config.int("log.cleaner.dedupe.buffer.size"))


def _check_directories(name: str, paths: list[str]) -> None:
    if not paths:
        raise ConfigError(name, f"{name}: at least one directory is needed")
    if "" in paths:
        # As a path it is the working directory, whatever that is.
        raise ConfigError(name, f"{name}: there is a directory without a name; is there a comma too many?")


def _check_cleaner(threads: int, dedupe_buffer_size: int) -> None:
    if threads < 1:
        name = "log.cleaner.threads"
        raise ConfigError(name, f"{name}: without a thread nothing is compacted; log.cleaner.enable=false says so")
    if dedupe_buffer_size // threads <= _LEAST_DEDUPE_BYTES:
        name = "log.cleaner.dedupe.buffer.size"
        raise ConfigError(
            name, f"{name} ({dedupe_buffer_size}) must be more than 1 MiB for each of the {threads} log.cleaner.threads"
        )
