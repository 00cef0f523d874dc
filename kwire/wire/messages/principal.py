"""Principals in serialized form."""

from __future__ import annotations

from kwire.wire.schema import Bool, String, message


@message(valid="0", flexible="0+", prefix="version")
class DefaultPrincipalData:
    """A principal inside an Envelope (KIP-590)."""

    type: String
    name: String
    token_authenticated: Bool
