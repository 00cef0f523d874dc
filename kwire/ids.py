"""Names of things that the whole broker shares.

A uuid (topic id, member id, incarnation) is its 16 raw bytes everywhere inside; its text form is Kafka's: 22 characters
of URL-safe base64 without padding (apache/kafka `Uuid.toString`).
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

from kwire.named_tuple import NamedTuple

ZERO_UUID = bytes(16)
"""The uuid that stands for "none" in every message."""


class TopicPartition(NamedTuple):
    """One partition of one topic, by name."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"


def uuid_text(raw: bytes) -> str:
    """The 22-character text of 16 raw bytes."""
    return urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def uuid_from_text(text: str) -> bytes:
    """The 16 raw bytes of a 22-character text; ValueError for anything else."""
    raw = urlsafe_b64decode(text.encode("ascii") + b"==")
    if len(raw) != 16 or uuid_text(raw) != text:
        raise ValueError(f"not a uuid of 22 base64 characters: {text!r}")
    return raw
