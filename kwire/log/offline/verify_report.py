"""What a verification says: findings, and per partition what is there and what can be saved."""

from __future__ import annotations

from typing import Any, NamedTuple

DAMAGE = "damage"
"""Something was lost or will mislead a reader."""
WARNING = "warning"
"""A starting broker mends it by itself, at the cost of time or of what was never acknowledged."""
NOTE = "note"
"""Worth knowing; nothing is wrong."""


class Finding(NamedTuple):
    """One thing found: where (`position` in bytes of the file), what it is, and what it means."""

    severity: str
    kind: str
    path: str
    position: int | None
    text: str
    meaning: str

    def as_json(self) -> dict[str, Any]:
        """The finding as an object."""
        return {"type": "finding", **self._asdict()}


class PartitionReport:
    """One partition directory: what was read, what was found, and what can be saved.

    Up to the first damage of a log, records are safe: a broker that recovers keeps them. What lies behind is cut by
    such a recovery although it may be sound; it is counted apart.
    """

    __slots__ = (
        "batch_count",
        "directory",
        "end_offset",
        "findings",
        "first_damage",
        "log_bytes",
        "name",
        "record_count",
        "segment_count",
        "sound_behind",
        "start_offset",
    )

    def __init__(self, name: str, directory: str) -> None:
        self.name = name
        self.directory = directory
        self.findings: list[Finding] = []
        self.segment_count = self.log_bytes = self.batch_count = self.record_count = 0
        self.start_offset = 0
        self.end_offset = 0
        """Behind the last record before the first damage."""
        self.first_damage: Finding | None = None
        self.sound_behind = 0
        """Records in sound batches behind the first damage."""

    def add(self, severity: str, kind: str, path: str, position: int | None, text: str, meaning: str) -> Finding:
        """Note a finding."""
        finding = Finding(severity, kind, path, position, text, meaning)
        self.findings.append(finding)
        return finding

    @property
    def is_damaged(self) -> bool:
        return any(finding.severity == DAMAGE for finding in self.findings)

    def salvage(self) -> str:
        """What can be saved, in words."""
        if self.record_count:
            kept = f"{self.record_count:,} records up to offset {self.end_offset - 1} are sound"
        else:
            kept = "no records"
        if self.first_damage is None:
            return kept
        if not self.sound_behind:
            return f"{kept}; a recovery cuts there, and nothing sound lies behind"
        return (
            f"{kept}; a recovery would cut there and lose {self.sound_behind:,} more sound records behind the damage: "
            "copy the directory before you start a broker on it"
        )

    def as_json(self) -> dict[str, Any]:
        """The partition as an object, without its findings."""
        return {
            "type": "partition",
            "name": self.name,
            "directory": self.directory,
            "segments": self.segment_count,
            "bytes": self.log_bytes,
            "batches": self.batch_count,
            "records": self.record_count,
            "start_offset": self.start_offset,
            "end_offset": self.end_offset,
            "damaged": self.is_damaged,
            "cut": self.first_damage is not None,
            "sound_records_behind_damage": self.sound_behind,
            "salvage": self.salvage(),
        }
