"""Names of things that the whole broker shares.

A uuid (topic id, member id, incarnation) is its 16 raw bytes everywhere inside; its text form is Kafka's: 22 characters
of URL-safe base64 without padding (apache/kafka `Uuid.toString`).
"""

from __future__ import annotations

import os
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


def random_uuid() -> str:
    """The usual text (36 characters, in hex) of a random uuid, of version 4: what member ids are made of."""
    text = bytearray(os.urandom(16))
    text[6] = text[6] & 0x0F | 0x40
    text[8] = text[8] & 0x3F | 0x80
    digits = text.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
