"""A broker in this process, used by a stock client."""

from __future__ import annotations

import errno
import socket
import threading

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from kwire.config.option import ConfigError
from kwire.testing.broker import KwireBroker


def produce(servers: str, topic: str, values: list[bytes]) -> None:
    """Produce and wait for every acknowledgement."""
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 0})
    failures: list[object] = []
    for value in values:
        producer.produce(topic, value, on_delivery=lambda error, _: error and failures.append(error))
    assert producer.flush(20) == 0
    assert failures == []


def consume(servers: str, topic: str, count: int) -> list[bytes | None]:
    """The first `count` values of partition 0."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "g", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        messages = []
        while len(messages) < count:
            batch = consumer.consume(count - len(messages), timeout=20)
            assert batch, f"only {len(messages)} of {count} came"
            messages += batch
        assert [message.error() for message in messages] == [None] * count
        return [message.value() for message in messages]
    finally:
        consumer.close()


def test_a_stock_client_produces_and_consumes(kwire_broker: KwireBroker) -> None:
    values = [b"%d" % number for number in range(1000)]
    produce(kwire_broker.bootstrap_servers, "numbers", values)
    assert consume(kwire_broker.bootstrap_servers, "numbers", 1000) == values


def test_each_test_has_its_own_broker(kwire_broker: KwireBroker) -> None:
    metadata = AdminClient({"bootstrap.servers": kwire_broker.bootstrap_servers}).list_topics(timeout=20)
    assert "numbers" not in metadata.topics
    assert metadata.cluster_id == kwire_broker.cluster_id


def test_the_session_broker_keeps_what_it_was_given(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("from kwire.testing.plugin import kwire_session_broker, kwire_session_options")
    pytester.makepyfile(
        """
        import pytest
        from confluent_kafka.admin import AdminClient, NewTopic

        @pytest.mark.parametrize("turn", [1, 2])
        def test_topic(kwire_session_broker, turn):
            admin = AdminClient({"bootstrap.servers": kwire_session_broker.bootstrap_servers})
            assert ("kept" in admin.list_topics(timeout=20).topics) == (turn == 2)
            if turn == 1:
                admin.create_topics([NewTopic("kept", 1)])["kept"].result(20)
        """
    )
    pytester.runpytest_inprocess("-p", "no:xdist", "-p", "no:randomly").assert_outcomes(passed=2)


def test_brokers_run_side_by_side() -> None:
    with KwireBroker() as one, KwireBroker() as two:
        assert one.port != two.port
        assert one.cluster_id != two.cluster_id
        produce(one.bootstrap_servers, "t", [b"one"])
        produce(two.bootstrap_servers, "t", [b"two"])
        assert consume(one.bootstrap_servers, "t", 1) == [b"one"]
        assert consume(two.bootstrap_servers, "t", 1) == [b"two"]


def test_options_are_the_brokers() -> None:
    with KwireBroker({"num.partitions": "3"}) as broker:
        produce(broker.bootstrap_servers, "t", [b"x"])
        admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
        assert len(admin.list_topics("t", timeout=20).topics["t"].partitions) == 3


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"num\.partition"):
        KwireBroker({"num.partition": "3"})


def test_a_failing_start_is_raised_here_and_leaves_no_thread() -> None:
    threads = set(threading.enumerate())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        broker = KwireBroker({"listeners": f"PLAINTEXT://127.0.0.1:{taken.getsockname()[1]}"})
        with pytest.raises(OSError, match="listener PLAINTEXT cannot listen") as caught:
            broker.start()
    assert caught.value.errno == errno.EADDRINUSE
    assert set(threading.enumerate()) == threads
    broker.stop()


def test_a_stopped_broker_is_gone_and_stays_so() -> None:
    broker = KwireBroker().start()
    with socket.create_connection(("127.0.0.1", broker.port)) as client:
        broker.stop()
        assert client.recv(1) == b""
    broker.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", broker.port))
    with pytest.raises(RuntimeError, match="started before"):
        broker.start()
