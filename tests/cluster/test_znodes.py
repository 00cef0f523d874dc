"""Znodes byte for byte as Apache Kafka 3.9.2 was seen to write them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kwire.cluster.config_znodes import DEFAULT_ENTITY, ConfigChangesZnode, ConfigEntityZnode
from kwire.cluster.znodes import (
    BrokerIdZnode,
    BrokerRegistration,
    ClusterIdZnode,
    ControllerEpochZnode,
    ControllerZnode,
    DeleteTopicsZnode,
    FeatureZnode,
    PartitionState,
    ProducerIdBlock,
    ProducerIdBlockZnode,
    TopicAssignment,
    TopicPartitionStateZnode,
    TopicPartitionsZnode,
    TopicPartitionZnode,
    TopicZnode,
    ZnodeError,
)
from kwire.config.endpoints import Endpoint
from kwire.ids import ZERO_UUID, uuid_from_text

BROKER_1 = (
    b'{"features":{},"listener_security_protocol_map":{"PLAINTEXT":"PLAINTEXT","SASL_PLAINTEXT":"SASL_PLAINTEXT"},'
    b'"endpoints":["PLAINTEXT://127.0.0.1:21091","SASL_PLAINTEXT://127.0.0.1:21191"],"rack":"r1","jmx_port":-1,'
    b'"port":21091,"host":"127.0.0.1","version":5,"timestamp":"1795252219646"}'
)
REGISTRATION_1 = BrokerRegistration(
    1,
    (
        Endpoint("PLAINTEXT", "127.0.0.1", 21091, "PLAINTEXT"),
        Endpoint("SASL_PLAINTEXT", "127.0.0.1", 21191, "SASL_PLAINTEXT"),
    ),
    "r1",
    -1,
    1795252219646,
)


def test_broker() -> None:
    assert BrokerIdZnode.path(1) == "/brokers/ids/1"
    assert BrokerIdZnode.encode(REGISTRATION_1) == BROKER_1
    assert BrokerIdZnode.decode(1, BROKER_1) == REGISTRATION_1


def test_broker_without_rack_and_plaintext_on_ipv6() -> None:
    registration = BrokerRegistration(2, (Endpoint("IN", "::1", 1, "SSL"),), None, 9999, 5)
    data = BrokerIdZnode.encode(registration)
    assert data == (
        b'{"features":{},"listener_security_protocol_map":{"IN":"SSL"},"endpoints":["IN://[::1]:1"],"jmx_port":9999,'
        b'"port":-1,"host":null,"version":5,"timestamp":"5"}'
    )
    assert BrokerIdZnode.decode(2, data) == registration


TOPIC_1 = (
    b'{"partitions":{"0":[1,2],"1":[2,1]},"topic_id":"Fy1TLHsuQfSLeHv7wUz4yg","adding_replicas":{},'
    b'"removing_replicas":{},"version":3}'
)
MANY = (
    b'{"partitions":{"11":[1,2],"0":[2,1],"1":[1,2],"2":[2,1],"3":[1,2],"4":[2,1],"5":[1,2],"6":[2,1],"7":[1,2],'
    b'"8":[2,1],"9":[1,2],"10":[2,1]},"topic_id":"aI-ugdGMTCmBvnJ9585AbA","adding_replicas":{},'
    b'"removing_replicas":{},"version":3}'
)
MOVING = (
    b'{"partitions":{"0":[2,1]},"topic_id":"s_XVrRUsTMWHprgM5cstMw","adding_replicas":{"0":[2]},'
    b'"removing_replicas":{"0":[1]},"version":3}'
)
WITHOUT_ID = b'{"partitions":{"0":[1,2]},"adding_replicas":{},"removing_replicas":{},"version":3}'


def test_topic() -> None:
    assignment = TopicAssignment(uuid_from_text("Fy1TLHsuQfSLeHv7wUz4yg"), {0: [1, 2], 1: [2, 1]}, {}, {})
    assert TopicZnode.path("t1") == "/brokers/topics/t1"
    assert TopicZnode.encode(assignment) == TOPIC_1
    assert TopicZnode.decode("t1", TOPIC_1) == assignment


def test_topic_in_other_states() -> None:
    moving = TopicAssignment(uuid_from_text("s_XVrRUsTMWHprgM5cstMw"), {0: [2, 1]}, {0: [2]}, {0: [1]})
    assert (TopicZnode.encode(moving), TopicZnode.decode("t3", MOVING)) == (MOVING, moving)
    without_id = TopicAssignment(ZERO_UUID, {0: [1, 2]}, {}, {})
    assert (TopicZnode.encode(without_id), TopicZnode.decode("t1", WITHOUT_ID)) == (WITHOUT_ID, without_id)
    many = TopicZnode.decode("many", MANY)
    assert many.replicas == {index: [1, 2] if index % 2 else [2, 1] for index in range(12)}


def test_partition() -> None:
    data = b'{"controller_epoch":1,"leader":1,"version":1,"leader_epoch":0,"isr":[1,2]}'
    state = PartitionState(1, 1, 0, [1, 2])
    path = TopicPartitionStateZnode.path("t1", 0)
    assert path == "/brokers/topics/t1/partitions/0/state"
    assert TopicPartitionZnode.path("t1", 0) == "/brokers/topics/t1/partitions/0"
    assert TopicPartitionsZnode.path("t1") == "/brokers/topics/t1/partitions"
    assert TopicPartitionStateZnode.encode(state) == data
    assert TopicPartitionStateZnode.decode(path, data) == state
    recovering = b'{"controller_epoch":1,"leader":-1,"version":1,"leader_epoch":3,"isr":[],"leader_recovery_state":1}'
    assert TopicPartitionStateZnode.decode(path, recovering) == PartitionState(1, -1, 3, [])


def test_controller() -> None:
    data = b'{"version":2,"brokerid":1,"timestamp":"1795252219757","kraftControllerEpoch":-1}'
    assert ControllerZnode.encode(1, 1795252219757) == data
    assert ControllerZnode.decode(data) == 1
    assert (ControllerEpochZnode.encode(12), ControllerEpochZnode.decode(b"12")) == (b"12", 12)


def test_cluster() -> None:
    data = b'{"version":"1","id":"DTZqBuOnQSeaE0ZUYaLX-Q"}'
    assert ClusterIdZnode.encode("DTZqBuOnQSeaE0ZUYaLX-Q") == data
    assert ClusterIdZnode.decode(data) == "DTZqBuOnQSeaE0ZUYaLX-Q"
    assert FeatureZnode.encode() == b'{"features":{},"version":2,"status":1}'
    assert DeleteTopicsZnode.topic_path("t") == "/admin/delete_topics/t"


def test_producer_ids() -> None:
    data = b'{"version":1,"broker":2,"block_start":"1000","block_end":"1999"}'
    block = ProducerIdBlock(2, 1000, 1999)
    assert (ProducerIdBlockZnode.encode(block), ProducerIdBlockZnode.decode(data)) == (data, block)
    assert ProducerIdBlockZnode.decode(None) is None


def test_settings() -> None:
    config = {"cleanup.policy": "compact", "retention.ms": "3600000"}
    data = b'{"version":1,"config":{"cleanup.policy":"compact","retention.ms":"3600000"}}'
    path = ConfigEntityZnode.path("topics", "t2")
    assert path == "/config/topics/t2"
    assert ConfigEntityZnode.encode(config) == data
    assert ConfigEntityZnode.decode(path, data) == config
    assert ConfigEntityZnode.decode(path, None) == {}
    assert ConfigEntityZnode.encode({}) == b'{"version":1,"config":{}}'
    assert ConfigEntityZnode.path("brokers", DEFAULT_ENTITY) == "/config/brokers/<default>"


def test_names_of_users_are_percent_encoded() -> None:
    for name, path_form in (("bob b+c", "bob%20b%2Bc"), ("c 1", "c%201"), ("<default>", "<default>")):
        assert ConfigEntityZnode.sanitize(name) == path_form
        assert ConfigEntityZnode.desanitize(path_form) == name


def test_notices() -> None:
    data = b'{"version":2,"entity_path":"topics/t1"}'
    assert ConfigChangesZnode.encode("topics/t1") == data
    assert ConfigChangesZnode.decode("/config/changes/config_change_0000000000", data) == "topics/t1"


def test_text_beyond_ascii_is_utf8() -> None:
    assert ConfigEntityZnode.encode({"k": "grün"}) == '{"version":1,"config":{"k":"grün"}}'.encode()


@pytest.mark.parametrize("data", [None, b"", b"{", b"[]", b"7", b"{}", b'"x"', b"\xff\xfe"])
@pytest.mark.parametrize(
    "decode",
    [
        lambda data: BrokerIdZnode.decode(1, data),
        lambda data: TopicZnode.decode("t", data),
        lambda data: TopicPartitionStateZnode.decode("/p", data),
        ControllerZnode.decode,
        ClusterIdZnode.decode,
        lambda data: ConfigChangesZnode.decode("/c", data),
    ],
)
def test_what_cannot_be_read_is_said(decode: Callable[[bytes | None], object], data: bytes | None) -> None:
    with pytest.raises(ZnodeError):
        decode(data)


@pytest.mark.parametrize(
    "data",
    [
        b'{"partitions":[1]}',
        b'{"partitions":{"x":[1]}}',
        b'{"partitions":{"0":["a"]}}',
        b'{"partitions":{},"topic_id":"short"}',
    ],
)
def test_topics_that_cannot_be_read(data: bytes) -> None:
    with pytest.raises(ZnodeError):
        TopicZnode.decode("t", data)


def test_settings_that_cannot_be_read() -> None:
    for data in (None, b"", b"{}"):
        with pytest.raises(ZnodeError):
            ControllerEpochZnode.decode(data)
    with pytest.raises(ZnodeError):
        ConfigEntityZnode.decode("/config/topics/t", b'{"config":[]}')
    with pytest.raises(ZnodeError):
        ProducerIdBlockZnode.decode(b"{}")
