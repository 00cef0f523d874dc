"""The group coordinator's options, typed, as its core reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kwire.coord.group.consumer.config import ConsumerGroupConfig, GroupOverrides, no_overrides

MILLISECONDS_PER_MINUTE = 60_000

NEW_MEMBER_JOIN_TIMEOUT_MS = 5 * MILLISECONDS_PER_MINUTE
"""How long a member that has never been in a generation may wait for one. It cannot heartbeat while its JoinGroup is
parked and a closed connection goes unnoticed, so without this bound members that gave up would pile up in a long
rebalance (apache/kafka `group.coordinator` new member join timeout; it is not an option there either)."""


class GroupConfig:
    """Values of the `group.*` and `offsets.*` options that the coordinator's core needs.

    `consumer` are those of consumer groups (KIP-848) alone. Made from the broker's options, where they have their
    defaults, by `from_options`. The cores read them anew at each use, so that setting one takes effect at once.
    Kinds of groups that few brokers have (`kinds`) read theirs through `get` and `group_overrides`.
    """

    __slots__ = (
        "consumer",
        "get",
        "group_overrides",
        "initial_rebalance_delay_ms",
        "max_session_timeout_ms",
        "max_size",
        "min_session_timeout_ms",
        "offset_metadata_max_size",
        "offsets_retention_check_interval_ms",
        "offsets_retention_ms",
    )

    def __init__(
        self,
        get: Callable[[str], Any],
        group_overrides: GroupOverrides,
        *,
        initial_rebalance_delay_ms: int,
        min_session_timeout_ms: int,
        max_session_timeout_ms: int,
        max_size: int,
        offset_metadata_max_size: int,
        offsets_retention_ms: int,
        offsets_retention_check_interval_ms: int,
    ) -> None:
        self.get = get
        self.group_overrides = group_overrides
        self.consumer = ConsumerGroupConfig(get, group_overrides)
        self.initial_rebalance_delay_ms = initial_rebalance_delay_ms
        self.min_session_timeout_ms = min_session_timeout_ms
        self.max_session_timeout_ms = max_session_timeout_ms
        self.max_size = max_size
        self.offset_metadata_max_size = offset_metadata_max_size
        self.offsets_retention_ms = offsets_retention_ms
        self.offsets_retention_check_interval_ms = offsets_retention_check_interval_ms

    @classmethod
    def from_options(cls, get: Callable[[str], Any], group_overrides: GroupOverrides = no_overrides) -> GroupConfig:
        """Read the options through `get(name)`, which returns typed values; `group_overrides(group_id)` as texts."""
        return cls(
            get,
            group_overrides,
            initial_rebalance_delay_ms=get("group.initial.rebalance.delay.ms"),
            min_session_timeout_ms=get("group.min.session.timeout.ms"),
            max_session_timeout_ms=get("group.max.session.timeout.ms"),
            max_size=get("group.max.size"),
            offset_metadata_max_size=get("offset.metadata.max.bytes"),
            offsets_retention_ms=get("offsets.retention.minutes") * MILLISECONDS_PER_MINUTE,
            offsets_retention_check_interval_ms=get("offsets.retention.check.interval.ms"),
        )
