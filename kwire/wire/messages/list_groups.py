"""Listing groups."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, String, message, struct, wire


@message(key=16, valid="0-5", flexible="3+")
class ListGroupsRequest:
    """Filters for the list: states from v4 (KIP-518), types from v5 (KIP-848)."""

    states_filter: list[String] = wire("4+", factory=list)
    types_filter: list[String] = wire("5+", factory=list)


@struct
class ListedGroup:
    group_id: String
    protocol_type: String
    group_state: String = wire("4+", default="", ignorable=True)
    group_type: String = wire("5+", default="", ignorable=True)


@message(key=16, valid="0-5", flexible="3+")
class ListGroupsResponse:
    """The groups that this broker coordinates."""

    throttle_time_ms: Int32 = wire("1+", default=0, ignorable=True)
    error_code: Int16
    groups: list[ListedGroup]
