"""The few forms of value that have rules of their own: protocol versions, throttled replicas, offset reset."""

from __future__ import annotations

from typing import Any, Final

from kwire.config.option import Matching, Valid

_VERSIONS = (
    "0.8.0 0.8.1 0.8.2 0.9.0 0.10.0-IV0 0.10.0-IV1 0.10.1-IV0 0.10.1-IV1 0.10.1-IV2 0.10.2-IV0 0.11.0-IV0 0.11.0-IV1 "
    "0.11.0-IV2 1.0-IV0 1.1-IV0 2.0-IV0 2.0-IV1 2.1-IV0 2.1-IV1 2.1-IV2 2.2-IV0 2.2-IV1 2.3-IV0 2.3-IV1 2.4-IV0 "
    "2.4-IV1 2.5-IV0 2.6-IV0 2.7-IV0 2.7-IV1 2.7-IV2 2.8-IV0 2.8-IV1 3.0-IV0 3.0-IV1 3.1-IV0 3.2-IV0 3.3-IV0 3.3-IV1 "
    "3.3-IV2 3.3-IV3 3.4-IV0 3.5-IV0 3.5-IV1 3.5-IV2 3.6-IV0 3.6-IV1 3.6-IV2 3.7-IV0 3.7-IV1 3.7-IV2 3.7-IV3 3.7-IV4 "
    "3.8-IV0 3.9-IV0 4.0-IV0 4.0-IV1"
)


class ProtocolVersion(Valid):
    """A version of Kafka's broker protocol: `3.9-IV0`, or `3.9` and `3.9.1` for the last of that line."""

    __slots__ = ("versions",)

    def __init__(self, versions: tuple[str, ...]) -> None:
        self.versions = versions

    def accepts(self, value: Any) -> bool:
        depth = 3 if value.startswith("0.") else 2
        line = ".".join(value.split(".")[:depth])
        return value in self.versions or any(known.partition("-")[0] == line for known in self.versions)

    @property
    def text(self) -> str:
        return f"a Kafka version from {self.versions[0]} to {self.versions[-1]}, like 3.9 or 3.9-IV0"


PROTOCOL_VERSION: Final = ProtocolVersion(tuple(_VERSIONS.split()))

THROTTLED_REPLICAS: Final = Matching(
    r"|\*|[0-9]+:[0-9]+", "* for all replicas, or [partition]:[broker],[partition]:[broker],..."
)
"""Which replicas of a topic a replication quota slows down (KIP-73)."""

OFFSET_RESET: Final = Matching(
    r"latest|earliest|by_duration:(?i:P(?=[0-9T])([0-9]{1,14}D)?"
    r"(T(?=[0-9])([0-9]{1,15}H)?([0-9]{1,17}M)?([0-9]{1,18}(\.[0-9]{0,9})?S)?)?)",
    "latest, earliest, or by_duration: and an ISO 8601 duration (by_duration:PT1H30M)",
)
"""Where a share group without offsets begins (KIP-932). No part has more digits than its seconds would in an int64."""
