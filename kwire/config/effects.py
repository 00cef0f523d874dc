"""Which options change what kwire does. All others are known, checked and described, and change nothing.

The two lists are kept by hand and held by a test, which compares them with the names that the code reads.
"""

from __future__ import annotations

from typing import Final

from kwire.config.topic_config import TOPIC_OPTIONS

READ_HERE: Final = frozenset(
    (
        "advertised.listeners",
        "broker.id",
        "controller.listener.names",
        "inter.broker.listener.name",
        "listener.security.protocol.map",
        "listeners",
        "log.dir",
        "log.dirs",
        "node.id",
        "security.inter.broker.protocol",
    )
)
"""Broker options that `BrokerConfig` itself turns into listeners, directories and the broker's number."""

READ_BY_BROKER: Final = frozenset(("fetch.max.bytes",))
"""Broker options that the rest of kwire reads."""

READ_BY_TOPIC: Final[frozenset[str]] = frozenset(())
"""Topic options that kwire reads; the broker options behind them have an effect by that."""

WITHOUT_MEANING: Final = (
    ("controller.quorum.", "it belongs to KRaft, and kwire keeps its metadata in a ZooKeeper tree"),
    ("metadata.", "it belongs to KRaft, and kwire keeps its metadata in a ZooKeeper tree"),
    ("process.roles", "it belongs to KRaft, and every kwire broker may become the controller"),
    ("broker.heartbeat.interval.ms", "it belongs to KRaft; sessions of the metadata store do this work"),
    ("broker.session.timeout.ms", "it belongs to KRaft; sessions of the metadata store do this work"),
    ("initial.broker.registration.timeout.ms", "it belongs to KRaft; sessions of the metadata store do this work"),
    ("zookeeper.metadata.migration.", "it belongs to the move to KRaft, which kwire does not make"),
    ("background.threads", "one event loop does the work of Kafka's threads"),
    ("num.io.threads", "one event loop does the work of Kafka's threads"),
    ("num.network.threads", "one event loop does the work of Kafka's threads"),
    ("queued.max.", "each connection has one request in work, so there is no queue of requests"),
)
"""Prefixes of options that cannot have an effect in kwire's design, and why."""


def effective_options() -> frozenset[str]:
    """Every broker option that has an effect, be it through the topics that inherit it."""
    inherited = {synonym for name in READ_BY_TOPIC for synonym, _ in TOPIC_OPTIONS[name].synonyms}
    return READ_HERE | READ_BY_BROKER | inherited


def without_effect(name: str) -> str | None:
    """None for a broker option that has an effect; else why it has none, "" when it is not built yet."""
    if name in effective_options():
        return None
    for prefix, why in WITHOUT_MEANING:
        if name.startswith(prefix):
            return why
    return ""
