"""Changing client quotas."""

from __future__ import annotations

from kwire.wire.schema import Bool, Float64, Int16, Int32, String, message, struct


@struct
class EntityData:
    entity_type: String
    entity_name: String | None


@struct
class OpData:
    key: String
    value: Float64
    remove: Bool


@struct
class EntryData:
    entity: list[EntityData]
    ops: list[OpData]


@message(key=49, valid="0-1", flexible="1+")
class AlterClientQuotasRequest:
    """Quota values to set or remove, by entity (KIP-546)."""

    entries: list[EntryData]
    validate_only: Bool


@struct
class AlterClientQuotasResponseEntityData:
    entity_type: String
    entity_name: String | None


@struct
class AlterClientQuotasResponseEntryData:
    error_code: Int16
    error_message: String | None
    entity: list[AlterClientQuotasResponseEntityData]


@message(key=49, valid="0-1", flexible="1+")
class AlterClientQuotasResponse:
    """An error per entity."""

    throttle_time_ms: Int32
    entries: list[AlterClientQuotasResponseEntryData]
