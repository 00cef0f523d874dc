"""Lines to records and records to lines, times, and the share of a member."""

from __future__ import annotations

import json

import pytest

from kwire.cli.client import ClientError, _address
from kwire.cli.fetcher import Consumed, decode_records
from kwire.cli.group_member import range_assignment
from kwire.cli.offsets import parse_time_ms
from kwire.cli.progress import size_text
from kwire.cli.record_input import InputRecord, json_parser, line_parser
from kwire.cli.record_output import json_formatter, template_formatter
from kwire.ids import TopicPartition
from kwire.wire.control import EndTransactionMarker, build_end_transaction_marker
from kwire.wire.record_codec import Record
from kwire.wire.records import build_batch


def test_lines() -> None:
    plain = line_parser(key_separator=None, null=None, encoding="text", headers=())
    assert plain(b"a:b") == InputRecord(None, b"a:b", ())
    keyed = line_parser(key_separator=b":", null=b"NULL", encoding="text", headers=(("h", b"1"),))
    assert keyed(b"k:v:w") == InputRecord(b"k", b"v:w", (("h", b"1"),))
    assert keyed(b"k:NULL") == InputRecord(b"k", None, (("h", b"1"),))
    with pytest.raises(ClientError, match="the key separator is missing in the line 'no key'"):
        keyed(b"no key")
    coded = line_parser(key_separator=b" ", null=None, encoding="hex", headers=())
    assert coded(b"00ff 01") == InputRecord(b"\x00\xff", b"\x01", ())
    with pytest.raises(ClientError, match="'xyz' is not hex"):
        coded(b"xyz 01")


def test_json_lines() -> None:
    parse = json_parser(encoding="text", headers=(("all", b"x"),))
    line = b'{"key":null,"value":{"a":1},"headers":[{"key":"h","value":null}],"partition":2,"timestamp":5,"offset":9}'
    assert parse(line) == InputRecord(None, b'{"a":1}', (("h", None), ("all", b"x")), 2, 5)
    assert parse(b'{"value":"v","headers":{"h":"1"}}').headers == (("h", b"1"), ("all", b"x"))
    for bad, message in (
        (b"{", "a line is not JSON"),
        (b"[1]", "not an object"),
        (b'{"partition":"x"}', "partition is not a whole number"),
        (b'{"headers":3}', "headers are neither"),
        (b'{"headers":[{"key":null}]}', "the key of a header is not a text: None"),
        (b'{"timestamp":9223372036854775808}', "timestamp is not a whole number of 64 bits"),
        (b'{"partition":-2147483649}', "partition is not a whole number of 32 bits"),
        (rb'{"value":"\ud800"}', "no form in UTF-8"),
        (rb'{"value":["\ud800"]}', "no form in UTF-8"),
        (rb'{"headers":{"\ud800":"v"}}', "no form in UTF-8"),
    ):
        with pytest.raises(ClientError, match=message):
            parse(bad)


RECORD = Consumed("t", 1, Record(7, 1000, b"k\xff", None, [(b"a", b"1"), (b"b", None)], -1))


def test_json_output_can_be_read_again() -> None:
    for encoding in ("base64", "hex"):
        line = json_formatter(encoding)(RECORD)
        read = json_parser(encoding=encoding, headers=())(line)
        assert read == InputRecord(b"k\xff", None, (("a", b"1"), ("b", None)), 1, 1000)
    assert json.loads(json_formatter("text")(RECORD))["key"] == "k\\xff"


def test_templates() -> None:
    write = template_formatter("{topic}-{partition}@{offset}\\t{timestamp} {key}={value} {headers}\\n", "text")
    assert write(RECORD) == b"t-1@7\t1000 k\xff= a=1,b=\n"
    assert template_formatter("{key}", "hex")(RECORD) == b"6bff"
    with pytest.raises(ClientError, match=r"\{keys\} is no field of a record"):
        template_formatter("{keys}", "text")


def test_times() -> None:
    assert parse_time_ms("1700000000000") == 1_700_000_000_000
    assert parse_time_ms("2023-11-14T22:13:20+00:00") == 1_700_000_000_000
    for bad in ("yesterday", "9" * 19, "9" * 5000):
        with pytest.raises(ClientError, match="is not a time"):
            parse_time_ms(bad)


def test_fetched_bytes() -> None:
    batch = build_batch([(1, b"k", b"v", []), (2, None, b"w", [])], base_offset=5)
    end = EndTransactionMarker(True, 0)
    marker = build_end_transaction_marker(end, producer_id=1, producer_epoch=0, timestamp=3, base_offset=7)
    records, next_offset = decode_records(bytes(batch) + bytes(marker) + bytes(batch)[:40])
    assert [(record.offset, record.value) for record in records] == [(5, b"v"), (6, b"w")]
    assert next_offset == 8


def test_range_assignment_is_javas() -> None:
    both = {"b": ["x", "y"], "a": ["x"]}
    assert range_assignment(both, {"x": 3, "y": 2, "gone": 1}) == {
        "a": [TopicPartition("x", 0), TopicPartition("x", 1)],
        "b": [TopicPartition("x", 2), TopicPartition("y", 0), TopicPartition("y", 1)],
    }


def test_addresses() -> None:
    assert _address("localhost") == ("localhost", 9092)
    assert _address("PLAINTEXT://[::1]:19092") == ("::1", 19092)
    assert _address("[::1]") == ("::1", 9092)
    for bad in (":9092", "host:port", "host:0"):
        with pytest.raises(ClientError, match="is not a broker's address"):
            _address(bad)


def test_sizes() -> None:
    assert [size_text(size) for size in (999, 1536, 20 << 20, 3 << 30)] == ["999 B", "1.5 KiB", "20.0 MiB", "3.0 GiB"]
