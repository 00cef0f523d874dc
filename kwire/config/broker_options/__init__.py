"""Every option of a broker, one table per theme, each option declared once.

Names, types, defaults and bounds are those of Apache Kafka 4.3, and of 3.9 for the options that 4.x dropped. Options
without an effect in kwire are here too: a server.properties of Kafka is read without complaint, and the reference page
says which ones they are.
"""

from __future__ import annotations

from kwire.config.broker_options import (
    cleaner,
    groups,
    identity,
    kraft,
    log,
    metrics,
    network,
    quotas,
    replication,
    security,
    share_groups,
    tiered_storage,
    topics,
    transactions,
    zookeeper,
)
from kwire.config.option import Option

THEMES: tuple[tuple[str, tuple[Option, ...]], ...] = (
    ("Identity and directories", identity.OPTIONS),
    ("Listeners and connections", network.OPTIONS),
    ("Topics", topics.OPTIONS),
    ("The log", log.OPTIONS),
    ("Compaction", cleaner.OPTIONS),
    ("Replication", replication.OPTIONS),
    ("Consumer groups", groups.OPTIONS),
    ("Share groups", share_groups.OPTIONS),
    ("Transactions and idempotent producers", transactions.OPTIONS),
    ("Security", security.OPTIONS),
    ("Quotas", quotas.OPTIONS),
    ("Metrics and telemetry", metrics.OPTIONS),
    ("ZooKeeper", zookeeper.OPTIONS),
    ("KRaft", kraft.OPTIONS),
    ("Tiered storage", tiered_storage.OPTIONS),
)
"""The title of each table, for the reference page, and its rows."""

BROKER_OPTIONS: dict[str, Option] = {option.name: option for _, options in THEMES for option in options}
"""Every row by name."""
