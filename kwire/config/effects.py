"""Which options change what kwire does. All others are known, checked and described, and change nothing.

The list is kept by hand and held by a test: a name in it must be read somewhere in kwire outside of this package.
"""

from __future__ import annotations

from typing import Final

EFFECTIVE: Final = frozenset(
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
"""Broker options that are read."""

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


def without_effect(name: str) -> str | None:
    """None for an option that has an effect; else why it has none, "" when it is not built yet."""
    if name in EFFECTIVE:
        return None
    for prefix, why in WITHOUT_MEANING:
        if name.startswith(prefix):
            return why
    return ""
