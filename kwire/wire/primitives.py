"""What every reader of wire bytes raises."""

from __future__ import annotations


class WireError(ValueError):
    """Bytes that are not what the protocol says they should be."""
