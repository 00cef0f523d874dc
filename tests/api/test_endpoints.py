"""Where clients are told to find a broker."""

from __future__ import annotations

import asyncio

import pytest

from kwire.api.context import RequestContext
from kwire.api.endpoints import endpoint_for, plain_host
from kwire.cluster.metadata_cache import BrokerImage
from kwire.config.endpoints import Endpoint
from tests.api.cluster_api import Client, FakeConnection
from tests.cluster.node import Node


def asked_through(connection: FakeConnection, options: dict[str, str] | None = None) -> RequestContext:
    async def context() -> RequestContext:
        client = Client(Node(options), connection)
        return RequestContext(3, 0, 1, None, connection, client.services, 0)  # type: ignore[arg-type]  # a stand-in

    return asyncio.run(context())


def broker(broker_id: int, host: str) -> BrokerImage:
    return BrokerImage(broker_id, [Endpoint("PLAINTEXT", host, 9999, "PLAINTEXT")], None, 0)


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("::FFFF:10.1.2.3", "10.1.2.3"),
        ("::1", "::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("::ffff:7f00:1", "::ffff:7f00:1"),
    ],
)
def test_this_broker_is_where_the_client_reached_it(host: str, told: str) -> None:
    assert plain_host(host) == told
    context = asked_through(FakeConnection(host, 19092))
    assert endpoint_for(broker(1, "registered"), context) == (told, 19092)


def test_advertised_listeners_come_first() -> None:
    options = {"advertised.listeners": "PLAINTEXT://kafka.example:29092"}
    context = asked_through(FakeConnection(), options)
    assert endpoint_for(broker(1, "registered"), context) == ("kafka.example", 29092)
    assert endpoint_for(broker(1, "registered"), context) == ("kafka.example", 29092)


def test_an_advertised_listener_without_a_port_has_that_of_the_socket() -> None:
    context = asked_through(FakeConnection(local_port=40001), {"advertised.listeners": "PLAINTEXT://kafka.example:0"})
    assert endpoint_for(broker(1, "registered"), context) == ("kafka.example", 40001)


def test_a_listener_that_is_not_advertised() -> None:
    options = {
        "listeners": "PLAINTEXT://:9092,OUTER://:9093",
        "advertised.listeners": "OUTER://outer.example:9093",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,OUTER:PLAINTEXT",
    }
    assert endpoint_for(broker(1, "registered"), asked_through(FakeConnection(), options)) == ("192.0.2.7", 9092)


def test_another_broker_is_where_it_registered() -> None:
    context = asked_through(FakeConnection())
    assert endpoint_for(broker(2, "two.example"), context) == ("two.example", 9999)
    assert endpoint_for(BrokerImage(2, [], None, 0), context) is None


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::"])
def test_a_neighbour_on_every_interface_is_at_the_same_address(host: str) -> None:
    context = asked_through(FakeConnection("::ffff:192.0.2.9"))
    assert endpoint_for(broker(2, host), context) == ("192.0.2.9", 9999)
