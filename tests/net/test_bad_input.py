"""Hostile and broken peers against a whole broker: each pays for itself, and the others do not notice."""

from __future__ import annotations

import logging
import os
import struct
import time
from collections.abc import Iterator

import pytest

from kwire.errors import ErrorCode
from kwire.testing.broker import KwireBroker
from kwire.wire.codec import encode
from kwire.wire.messages.api_versions import ApiVersionsRequest
from kwire.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from kwire.wire.messages.metadata import MetadataRequest, MetadataRequestTopic
from kwire.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kwire.wire.records import build_batch
from tests.net.raw_client import RawClient

API_VERSIONS = 18
METADATA = 3
PRODUCE = 0
FETCH = 1


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with KwireBroker() as broker:
        yield broker.port


@pytest.fixture(autouse=True)
def bystander(port: int) -> Iterator[None]:
    """A client that was there before the test's bad peer is served during and after."""
    with RawClient(port) as good:
        assert is_served(good)
        yield
        assert is_served(good)


def is_served(client: RawClient) -> bool:
    """Whether the broker answers this client's ApiVersions."""
    response = client.ask(API_VERSIONS, 3, ApiVersionsRequest(client_software_name="raw", client_software_version="1"))
    return bool(response.error_code == ErrorCode.NONE)


@pytest.mark.parametrize(
    ("garbage", "line"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "looks like an HTTP request"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), "looks like a TLS handshake"),
        (b"\x00\x00\x00\x00", "frame length 0 is not positive"),
        (b"\x80\x00\x00\x00", "frame length -2147483648 is not positive"),
        (struct.pack(">i", 104_857_601), "exceeds socket.request.max.bytes=104857600"),
        (struct.pack(">i", 200_000_000) + bytes(100_000), "exceeds socket.request.max.bytes=104857600"),
        (b"\x00\x00\x00\x03abc", "undecodable request header"),
        (b"\x00\x00\x00\x08\x04\xd2\x16\x2f\x00\x00\x00\x00", "1234"),
    ],
)
def test_what_is_no_request_closes_its_connection_with_one_line(
    port: int, garbage: bytes, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="kwire"), RawClient(port) as bad:
        bad.socket.sendall(garbage)
        assert bad.is_closed_by_broker()
    assert [line in record.message for record in caplog.records] == [True], caplog.text


@pytest.mark.parametrize(("api_key", "version"), [(METADATA, 99), (METADATA, -1), (9999, 0), (-1, 0), (4, 0)])
def test_an_unknown_api_or_version_closes_the_connection(port: int, api_key: int, version: int) -> None:
    with RawClient(port) as bad:
        body = struct.pack(">hhih", api_key, version, 1, -1)
        bad.socket.sendall(struct.pack(">i", len(body)) + body)
        assert bad.is_closed_by_broker()


@pytest.mark.parametrize("version", [5, 99, 32767])
def test_an_unknown_version_of_api_versions_is_answered_with_version_0(port: int, version: int) -> None:
    with RawClient(port) as client:
        client.socket.sendall(client.frame(API_VERSIONS, version, b""))
        response = client.response(API_VERSIONS, 0)
        assert response.error_code == ErrorCode.UNSUPPORTED_VERSION
        ranges = {api.api_key: api.max_version for api in response.api_keys}
        assert ranges[API_VERSIONS] == 4
        assert is_served(client)


@pytest.mark.parametrize("body", [b"\x00", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x01\x00\x09abc"])
def test_a_body_that_cannot_be_decoded_closes_the_connection(port: int, body: bytes) -> None:
    with RawClient(port) as bad:
        bad.socket.sendall(bad.frame(METADATA, 1, body))
        assert bad.is_closed_by_broker()


def test_a_request_may_come_byte_by_byte(port: int) -> None:
    with RawClient(port) as slow:
        for byte in slow.frame(API_VERSIONS, 0, b""):
            slow.socket.sendall(bytes([byte]))
        assert slow.response(API_VERSIONS, 0).error_code == ErrorCode.NONE


def test_half_a_request_blocks_nobody(port: int) -> None:
    peers = [RawClient(port) for _ in range(200)]
    for peer in peers:
        peer.socket.sendall(struct.pack(">i", 104_857_600) + b"x" * 100)
    with RawClient(port) as good:
        assert is_served(good)
    for peer in peers:
        peer.socket.close()


def test_a_peer_may_vanish_in_the_middle_of_a_request(port: int) -> None:
    for cut in (1, 3, 4, 10):
        with RawClient(port) as peer:
            peer.socket.sendall(peer.frame(API_VERSIONS, 0, b"")[:cut])


def test_a_slow_reader_gets_all_of_it_and_holds_up_nobody(port: int) -> None:
    value = os.urandom(900_000)
    with RawClient(port) as writer, RawClient(port, receive_buffer_bytes=16_384) as slow:
        topic = MetadataRequestTopic(name="slow")
        created = writer.ask(METADATA, 4, MetadataRequest(topics=[topic], allow_auto_topic_creation=True))
        deadline = time.monotonic() + 20
        while created.topics[0].error_code != ErrorCode.NONE:
            assert time.monotonic() < deadline
            created = writer.ask(METADATA, 4, MetadataRequest(topics=[topic], allow_auto_topic_creation=True))
        batch = bytes(build_batch([(1_700_000_000_000, None, value, ())]))
        for _ in range(20):
            partition = PartitionProduceData(index=0, records=memoryview(batch))
            data = [TopicProduceData(name="slow", partition_data=[partition])]
            response = writer.ask(PRODUCE, 7, ProduceRequest(acks=1, timeout_ms=10_000, topic_data=data))
            assert response.responses[0].partition_responses[0].error_code == ErrorCode.NONE
        partition_to_read = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=50_000_000)
        request = FetchRequest(
            max_wait_ms=0,
            min_bytes=1,
            max_bytes=50_000_000,
            topics=[FetchTopic(topic="slow", partitions=[partition_to_read])],
        )
        slow.socket.sendall(slow.frame(FETCH, 11, encode(request, 11)))
        for _ in range(10):
            assert is_served(writer)
        fetched = slow.response(FETCH, 11).responses[0].partitions[0]
        assert fetched.error_code == ErrorCode.NONE
        assert len(fetched.records) == 20 * len(batch)
        assert bytes(fetched.records).count(value) == 20


def test_connections_beyond_the_limit_are_refused_and_the_others_served(caplog: pytest.LogCaptureFixture) -> None:
    with KwireBroker({"max.connections": "3"}) as broker:
        kept = [RawClient(broker.port) for _ in range(3)]
        assert all(is_served(client) for client in kept)
        for _ in range(5):
            with RawClient(broker.port) as refused:
                assert refused.is_closed_by_broker()
        assert all(is_served(client) for client in kept)
        for client in kept:
            client.socket.close()
    assert len([record for record in caplog.records if "max.connections=3 is reached" in record.message]) == 1


def test_one_address_does_not_take_all_connections() -> None:
    with KwireBroker({"max.connections.per.ip": "5", "max.connections.per.ip.overrides": "127.0.0.1:2"}) as broker:
        kept = [RawClient(broker.port) for _ in range(2)]
        assert all(is_served(client) for client in kept)
        with RawClient(broker.port) as refused:
            assert refused.is_closed_by_broker()
        for client in kept:
            client.socket.close()
