"""What the broker's options say of topics that are created without numbers, or with more replicas than brokers."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from kwire.cluster.controller.core import NewTopic, TopicDefaults, TopicResult
from kwire.config.broker_config import BrokerConfig

logger = logging.getLogger("kwire.cluster")


def topic_defaults(options: BrokerConfig) -> TopicDefaults:
    """The counts of `num.partitions` and `default.replication.factor`, and whether large factors are lowered."""
    return TopicDefaults(
        options.get("num.partitions"),
        options.get("default.replication.factor"),
        options.get("kwire.lower.replication.factor"),
    )


def log_lowered_factors(asked: Iterable[NewTopic], defaults: TopicDefaults, results: Iterable[TopicResult]) -> None:
    """A line of the log for each topic that has fewer replicas than were asked for by number."""
    factors = {
        new.name: defaults.replication_factor if new.replication_factor == -1 else new.replication_factor
        for new in asked
        if not new.assignments
    }
    for result in results:
        if result.topic is None or result.name not in factors:
            continue
        if factors[result.name] > (count := len(result.topic.partitions[0].replicas)):
            logger.info(
                "The topic '%s' gets %d replicas instead of %d: there are no more brokers.",
                result.name,
                count,
                factors[result.name],
            )
