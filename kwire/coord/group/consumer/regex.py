"""Subscriptions by regular expression: RE2 syntax, matched in time linear in the names, a slice at a time.

A group's expressions are resolved together: when one is new, when topics were created, and every
`group.consumer.regex.refresh.interval.ms`; never more often than every ten seconds. A slice takes a millisecond or two,
so that others run in between, and the next one is a deadline like any other. (KIP-848; apache/kafka
`TopicRegexResolver`, which has a thread of its own.)
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from kwire.coord.group.consumer.group import ConsumerGroup
from kwire.coord.group.modern.topics import TopicDirectory
from kwire.errors import ErrorCode, KafkaError

if TYPE_CHECKING:
    from kwire.coord.group.consumer.config import ConsumerGroupConfig

MIN_REFRESH_INTERVAL_MS = 10_000
"""A group's expressions are resolved no more often (apache/kafka `REGEX_BATCH_REFRESH_MIN_INTERVAL_MS`)."""

MATCHES_PER_SLICE = 2000
COMPILING_COSTS_MATCHES = 50
"""Compiling an expression takes about as long as so many matches."""


@lru_cache(maxsize=128)
def compile_regex(regex: str) -> Any:
    """The expression, ready to match. Raises INVALID_REGULAR_EXPRESSION with RE2's reason."""
    import re2  # Few groups have expressions; a broker without them does not pay for the import.

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(regex, options)
    except re2.error as error:
        reason = error.args[0]
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise KafkaError(
            ErrorCode.INVALID_REGULAR_EXPRESSION,
            f"SubscribedTopicRegex `{regex}` is not a valid regular expression: {text}.",
        ) from None


class RegexRefresh:
    """Resolving some expressions over the names that there are at the start.

    `resolved` is complete once `step` has said so; `version` is that of the topics.
    """

    __slots__ = ("_names", "_pending", "_position", "resolved", "started_ms", "version")

    def __init__(self, regexes: Iterable[str], topics: TopicDirectory, now_ms: int) -> None:
        self._pending = sorted(regexes, reverse=True)
        self._names = list(topics.topics)
        self._position = 0
        self.version = topics.topics_version
        self.started_ms = now_ms
        self.resolved: dict[str, set[str]] = {regex: set() for regex in self._pending}

    def step(self) -> bool:
        """One slice; True when everything is resolved. An expression that does not compile matches nothing."""
        budget = MATCHES_PER_SLICE
        while self._pending and budget > 0:
            regex = self._pending[-1]
            names = self._names[self._position : self._position + budget]
            self._position += len(names)
            budget -= len(names) + COMPILING_COSTS_MATCHES
            try:
                matches = compile_regex(regex).fullmatch
            except KafkaError:  # It was checked when it came; a log of another broker may hold anything.
                self._position = len(self._names)
            else:
                self.resolved[regex].update(name for name in names if matches(name) is not None)
            if self._position >= len(self._names):
                self._pending.pop()
                self._position = 0
        return not self._pending


def refresh_is_due(
    group: ConsumerGroup, regexes: frozenset[str], topics: TopicDirectory, config: ConsumerGroupConfig, now_ms: int
) -> bool:
    """Whether the expressions, those of the group after this request, are to be resolved anew."""
    if not regexes:
        return False
    last_ms = group.last_regex_refresh_ms()
    if last_ms <= now_ms <= last_ms + MIN_REFRESH_INTERVAL_MS:
        return False
    return (
        regexes != group.resolved.keys()
        or group.regex_version_seen < topics.new_topics_version
        or not last_ms <= now_ms <= last_ms + config.regex_refresh_interval_ms
    )
