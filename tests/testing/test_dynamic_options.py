"""Broker options that are altered while the broker runs act at once (KIP-226), seen from outside."""

from __future__ import annotations

import socket

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from kwire.testing.broker import KwireBroker


def alter(admin: AdminClient, name: str, value: str) -> None:
    """Set one option of broker 1."""
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.BROKER, "1", incremental_configs=[entry])
    admin.incremental_alter_configs([resource])[resource].result(10)


def is_admitted(port: int) -> bool:
    """Whether a new connection stays open."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(bytes.fromhex("0000000d 0012 0000 00000001 0003 616263"))  # ApiVersions v0
        try:
            return client.recv(4) != b""
        except ConnectionResetError:
            return False


def test_limits_on_connections(kwire_broker: KwireBroker) -> None:
    admin = AdminClient({"bootstrap.servers": kwire_broker.bootstrap_servers})
    assert is_admitted(kwire_broker.port)
    for name, refusing, admitting in (
        ("max.connections", "0", "100"),
        ("max.connections.per.ip", "1", "100"),
        ("max.connections.per.ip.overrides", "127.0.0.1:0", ""),
    ):
        alter(admin, name, refusing)
        assert not is_admitted(kwire_broker.port), name
        alter(admin, name, admitting)
        assert is_admitted(kwire_broker.port), name


def test_what_topics_take_over(kwire_broker: KwireBroker) -> None:
    servers = {"bootstrap.servers": kwire_broker.bootstrap_servers}
    admin = AdminClient(servers)
    admin.create_topics([NewTopic("t", 1)])["t"].result(10)
    alter(admin, "message.max.bytes", "100")
    errors: list[object] = []
    producer = Producer(servers)
    producer.produce("t", bytes(1000), on_delivery=lambda error, _: errors.append(error and error.name()))
    assert producer.flush(10) == 0
    assert errors == ["MSG_SIZE_TOO_LARGE"]


def test_listeners_stay_as_they_are() -> None:
    announced = {"listeners": "PLAINTEXT://localhost:0", "advertised.listeners": "PLAINTEXT://localhost:-1"}
    with KwireBroker(announced) as broker:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
        with pytest.raises(KafkaException, match="cannot be altered"):
            alter(admin, "listeners", "nonsense")
        assert len(AdminClient({"bootstrap.servers": broker.bootstrap_servers}).list_topics(timeout=10).brokers) == 1
