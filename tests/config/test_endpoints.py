"""Listeners: what is read, what is refused and how it is said."""

from __future__ import annotations

import pytest

from kwire.config.broker_config import BrokerConfig
from kwire.config.endpoints import Endpoint, parse_protocol_map
from kwire.config.option import ConfigError


def listeners(text: str, **others: str) -> list[str]:
    static = {"listeners": text} | {name.replace("_", "."): value for name, value in others.items()}
    return [str(endpoint) for endpoint in BrokerConfig(static).listeners()]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("PLAINTEXT://:9092", ["PLAINTEXT://:9092"]),
        ("plaintext://localhost:0", ["PLAINTEXT://localhost:0"]),
        ("PLAINTEXT://[::1]:9092", ["PLAINTEXT://[::1]:9092"]),
        ("PLAINTEXT://::1:9092", ["PLAINTEXT://[::1]:9092"]),
        ("PLAINTEXT://[fe80::1%eth0]:9092", ["PLAINTEXT://[fe80::1%eth0]:9092"]),
        # KIP-797: one IPv4 and one IPv6 address may share name and port.
        ("PLAINTEXT://127.0.0.1:9092,PLAINTEXT://[::1]:9092", ["PLAINTEXT://127.0.0.1:9092", "PLAINTEXT://[::1]:9092"]),
    ],
)
def test_listeners_are_read(text: str, read: list[str]) -> None:
    assert listeners(text) == read


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "at least one listener"),
        ("localhost:9092", "'localhost:9092' is not a listener"),
        ("PLAINTEXT://localhost", "is not a listener"),
        ("PLAINTEXT://a b:1", "is not a listener"),
        ("PLAINTEXT://[127.0.0.1]:1", "is not a listener"),
        ("PLAINTEXT://:65536", "has the port 65536"),
        ("PLAINTEXT://:-1", "has the port -1"),
        ("INSIDE://:9092", "the listener INSIDE has no security protocol; give it one in"),
        ("PLAINTEXT://:1,PLAINTEXT://:2", "have the same name"),
        ("PLAINTEXT://127.0.0.1:1,PLAINTEXT://127.0.0.2:1", "have the same port"),
        ("SSL://:9093", "asks for SSL; kwire serves PLAINTEXT so far"),
    ],
)
def test_listeners_are_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=r"^listeners: ") as caught:
        listeners(text)
    assert message in caught.value.message


def test_names_of_ones_own_need_a_protocol() -> None:
    protocols = "INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT"
    text = "INSIDE://:9092,OUTSIDE://:9093"
    config = BrokerConfig({"listeners": text, "listener.security.protocol.map": protocols})
    assert config.listeners()[1] == Endpoint("OUTSIDE", "", 9093, "PLAINTEXT")
    assert config.inter_broker_listener_name() == "INSIDE"
    with pytest.raises(ConfigError, match="the same port"):
        listeners(
            "INSIDE://:0,OUTSIDE://:9093,PLAINTEXT://:9093",
            listener_security_protocol_map=protocols + ",PLAINTEXT:PLAINTEXT",
        )


def test_the_listeners_of_a_kraft_file() -> None:
    """The server.properties that ships with Apache Kafka 4 names a controller's listener, which is not served."""
    config = BrokerConfig(
        {
            "process.roles": "broker,controller",
            "node.id": "7",
            "controller.quorum.bootstrap.servers": "localhost:9093",
            "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
            "advertised.listeners": "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL",
        }
    )
    assert [str(endpoint) for endpoint in config.listeners()] == ["PLAINTEXT://:9092"]
    assert config.advertised_listeners() == {"PLAINTEXT": Endpoint("PLAINTEXT", "localhost", 9092, "PLAINTEXT")}
    assert config.broker_id() == 7
    warned = [warning.split()[0] for warning in config.warnings()]
    assert warned == ["controller.quorum.bootstrap.servers", "process.roles"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("PLAINTEXT://0.0.0.0:1", "is every interface"),
        ("PLAINTEXT://[::]:1", "is every interface"),
        ("SSL://host:1", "is not among the names of listeners (PLAINTEXT)"),
        ("PLAINTEXT://a:1,PLAINTEXT://b:1", "announced twice"),
    ],
)
def test_advertised_listeners_are_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=r"^advertised\.listeners: ") as caught:
        BrokerConfig({"advertised.listeners": text})
    assert message in caught.value.message


def test_nothing_is_announced_by_default() -> None:
    assert BrokerConfig({}).advertised_listeners() == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("INSIDE", "is not a pair"),
        ("INSIDE:TLS", "unknown protocol; there are PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"),
        ("A:SSL,a:SSL", "the listener A has two rows"),
    ],
)
def test_a_protocol_map_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_protocol_map(text)
    assert message in caught.value.message


def test_the_listener_among_brokers_must_exist_and_be_named_once() -> None:
    with pytest.raises(ConfigError, match="'INSIDE' is not among the names of listeners"):
        BrokerConfig({"inter.broker.listener.name": "INSIDE"})
    with pytest.raises(ConfigError, match=r"only one of it and security\.inter\.broker\.protocol"):
        BrokerConfig({"inter.broker.listener.name": "PLAINTEXT", "security.inter.broker.protocol": "PLAINTEXT"})
