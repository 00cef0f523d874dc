"""add_offsets_to_txn"""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, Int64, String, message


@message(key=25, valid="0-4", flexible="3+")
class AddOffsetsToTxnRequest:
    """AddOffsetsToTxnRequest v4 KIP-890."""

    transactional_id: String
    producer_id: Int64
    producer_epoch: Int16
    group_id: String


@message(key=25, valid="0-4", flexible="3+")
class AddOffsetsToTxnResponse:
    """AddOffsetsToTxnResponse v4 KIP-890."""

    throttle_time_ms: Int32
    error_code: Int16
