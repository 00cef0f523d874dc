"""Deleting groups."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, String, message, struct


@message(key=42, valid="0-2", flexible="2+")
class DeleteGroupsRequest:
    """Names of groups to delete (KIP-229)."""

    groups_names: list[String]


@struct
class DeletableGroupResult:
    group_id: String
    error_code: Int16


@message(key=42, valid="0-2", flexible="2+")
class DeleteGroupsResponse:
    """An error per group."""

    throttle_time_ms: Int32
    results: list[DeletableGroupResult]
