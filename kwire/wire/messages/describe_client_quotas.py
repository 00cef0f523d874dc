"""Reading client quotas."""

from __future__ import annotations

from kwire.wire.schema import Bool, Float64, Int8, Int16, Int32, String, message, struct


@struct
class ComponentData:
    entity_type: String
    match_type: Int8
    match: String | None


@message(key=48, valid="0-1", flexible="1+")
class DescribeClientQuotasRequest:
    """A filter over user, client id and ip (KIP-546)."""

    components: list[ComponentData]
    strict: Bool


@struct
class EntityData:
    entity_type: String
    entity_name: String | None


@struct
class ValueData:
    key: String
    value: Float64


@struct
class EntryData:
    entity: list[EntityData]
    values: list[ValueData]


@message(key=48, valid="0-1", flexible="1+")
class DescribeClientQuotasResponse:
    """The quota values of each entity that matches."""

    throttle_time_ms: Int32
    error_code: Int16
    error_message: String | None
    entries: list[EntryData] | None
