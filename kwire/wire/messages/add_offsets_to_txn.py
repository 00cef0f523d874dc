"""Enrolling a group's offsets in a transaction."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, Int64, String, message


@message(key=25, valid="0-4", flexible="3+")
class AddOffsetsToTxnRequest:
    """The group whose offsets a transaction will commit (KIP-98)."""

    transactional_id: String
    producer_id: Int64
    producer_epoch: Int16
    group_id: String


@message(key=25, valid="0-4", flexible="3+")
class AddOffsetsToTxnResponse:
    """Whether the group's offsets partition is part of the transaction now."""

    throttle_time_ms: Int32
    error_code: Int16
