from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

from kwire.wire.codec import decode_from, encode
from kwire.wire.header import (
    RequestHeader,
    is_flexible_request,
    read_request_header,
    read_response_header,
    request_header_bytes,
    request_header_version,
    response_header,
    response_header_version,
)
from kwire.wire.messages import headers
from kwire.wire.primitives import DecodeError, EncodeError

ORACLE = Path(__file__).parent.parent / "golden" / "headers.tsv.gz"


def oracle() -> list[dict[str, str]]:
    with gzip.open(ORACLE, "rt") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_every_version_of_every_api_has_the_headers_of_the_oracle() -> None:
    rows = oracle()
    assert len(rows) == 361
    for row in rows:
        key, version = int(row["api_key"]), int(row["version"])
        assert request_header_version(key, version) == int(row["request_header"]), row
        assert response_header_version(key, version) == int(row["response_header"]), row
        assert is_flexible_request(key, version) == (row["request_header"] == "2"), row


@pytest.mark.parametrize("client_id", [None, "", "client-ü"])
def test_headers_read_as_they_are_written_and_as_they_are_declared(client_id: str | None) -> None:
    for row in oracle():
        key, version = int(row["api_key"]), int(row["version"])
        data = request_header_bytes(key, version, -5, client_id)
        read = client_id if row["request_header"] != "0" else None
        for frame in (data + b"body", memoryview(bytearray(data + b"body"))):
            assert read_request_header(frame) == RequestHeader(key, version, -5, read, len(data))
        declared = headers.RequestHeader(
            request_api_key=key,
            request_api_version=version,
            correlation_id=-5,
            client_id=read if key != 7 or version else "",
        )
        assert encode(declared, int(row["request_header"])) == data
        answer = response_header(key, version, 77)
        assert read_response_header(key, version, answer + b"body") == (77, len(answer))
        assert encode(headers.ResponseHeader(correlation_id=77), int(row["response_header"])) == answer


@pytest.mark.parametrize("version", [0, 3])
def test_a_client_id_that_is_no_utf8_is_read_as_java_reads_it(version: int) -> None:
    data = request_header_bytes(18, version, 1, "caf?").replace(b"caf?", b"caf\xe9")
    assert read_request_header(data) == RequestHeader(18, version, 1, "caf\ufffd", len(data))


def test_unknown_tags_of_headers_are_skipped() -> None:
    frame = bytes.fromhex("0003 000c 00000001 0001 61 01 05 02 aabb") + b"body"
    assert read_request_header(frame) == RequestHeader(3, 12, 1, "a", len(frame) - 4)
    assert read_response_header(3, 12, bytes.fromhex("00000001 01 05 02 aabb 00")) == (1, 9)


def test_the_version_of_an_unknown_api_versions_request_still_has_a_header() -> None:
    frame = request_header_bytes(18, 99, 1, "new client")
    assert read_request_header(frame).api_version == 99
    assert response_header(18, 99, 1) == b"\0\0\0\1"


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "0003 000c 000000",
        "0003 000c 00000001",
        "0003 000c 00000001 00",
        "0003 000c 00000001 0005 61",
        "0003 000c 00000001 0001 61",
        "0003 000c 00000001 0001 61 01",
        "0003 000c 00000001 0001 61 01 05 09",
        "0003 000c 00000001 0001 61 ff ff ff ff ff ff",
        "7fff 0000 00000001 0001 61",
        "ffff 0000 00000001 0001 61",
    ],
)
def test_frames_without_a_header(frame: str) -> None:
    with pytest.raises(DecodeError):
        read_request_header(bytes.fromhex(frame))


def test_what_looks_like_http_is_no_header() -> None:
    with pytest.raises(DecodeError, match="18245"):
        read_request_header(b"GET / HTTP/1.1\r\n\r\n")


@pytest.mark.parametrize("frame", ["", "000000", "00000001", "00000001 01"])
def test_truncated_response_headers(frame: str) -> None:
    with pytest.raises(DecodeError):
        read_response_header(3, 12, bytes.fromhex(frame))


def test_client_ids_that_cannot_be_written() -> None:
    for client_id in ("x" * 32768, "\ud800"):
        with pytest.raises(EncodeError):
            request_header_bytes(3, 1, 1, client_id)


def test_a_negative_length_of_the_client_id_is_null_as_in_kafka() -> None:
    frame = bytes.fromhex("0003 0001 00000001 8000")
    assert read_request_header(frame).client_id is None
    declared, position = decode_from(headers.RequestHeader, 1, frame)
    assert (declared.client_id, position) == (None, 10)
