"""Reading the options of topics and brokers."""

from __future__ import annotations

from kwire.wire.schema import Bool, Int8, Int16, Int32, String, message, struct, wire


@struct
class DescribeConfigsResource:
    resource_type: Int8
    resource_name: String
    configuration_keys: list[String] | None


@message(key=32, valid="0-4", flexible="4+")
class DescribeConfigsRequest:
    """Resources, and the options wanted; all for null. Synonyms from v1 (KIP-226), documentation from v3 (KIP-569)."""

    resources: list[DescribeConfigsResource]
    include_synonyms: Bool = wire("1+", default=False)
    include_documentation: Bool = wire("3+", default=False)


@struct
class DescribeConfigsSynonym:
    name: String
    value: String | None
    source: Int8


@struct
class DescribeConfigsResourceResult:
    name: String
    value: String | None
    read_only: Bool
    is_default: Bool = wire("0", default=False)
    config_source: Int8 = wire("1+", default=-1, ignorable=True)
    is_sensitive: Bool
    synonyms: list[DescribeConfigsSynonym] = wire("1+", factory=list, ignorable=True)
    config_type: Int8 = wire("3+", default=0, ignorable=True)
    documentation: String | None = wire("3+", default="", ignorable=True)


@struct
class DescribeConfigsResult:
    error_code: Int16
    error_message: String | None
    resource_type: Int8
    resource_name: String
    configs: list[DescribeConfigsResourceResult]


@message(key=32, valid="0-4", flexible="4+")
class DescribeConfigsResponse:
    """The options with their values and where they come from. Source and synonyms from v1 (KIP-226), type and
    documentation from v3 (KIP-569).
    """

    throttle_time_ms: Int32
    results: list[DescribeConfigsResult]
