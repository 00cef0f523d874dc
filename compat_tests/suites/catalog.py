"""The suites, in the order in which they run."""

from __future__ import annotations

from functools import partial

from compat_tests.suites import confluent_kafka_python, java_tools, kafka_python, kgo, librdkafka
from compat_tests.suites.suite import Suite

AS_IN_TRIVUP = {
    "num.partitions": "4",
    "broker.rack": "RACK1",
    "group.initial.rebalance.delay.ms": "3000",
    "group.share.min.record.lock.duration.ms": "1000",
}
"""What librdkafka's tests expect of a cluster. The delay is Kafka's default, which the dev profile changes."""

SHORT_LOCKS = {"group.share.record.lock.duration.ms": "1000"}
"""With which tests wait for a record to be delivered again."""

AS_KAFKA_PYTHON_HAS_IT = {"num.partitions": "4", "broker.id": "0"}
"""Its tests assign replicas to broker 0."""

SUITES = (
    Suite(
        "librdkafka",
        ("librdkafka", "kafka-4.3.1"),
        AS_IN_TRIVUP,
        librdkafka.run,
        "librdkafka's own tests, groups of the classic protocol",
    ),
    Suite(
        "librdkafka-848",
        ("librdkafka", "kafka-4.3.1"),
        AS_IN_TRIVUP,
        partial(librdkafka.run, group_protocol="consumer"),
        "the same over KIP-848",
    ),
    Suite(
        "librdkafka-noautocreate",
        ("librdkafka", "kafka-4.3.1"),
        {**AS_IN_TRIVUP, "auto.create.topics.enable": "false"},
        partial(librdkafka.run, scenario="noautocreate"),
        "librdkafka's tests for brokers that create no topics by themselves",
    ),
    Suite("kgo", ("kgo",), {}, kgo.run, "the tests of franz-go's client that talk to a broker"),
    Suite(
        "kafka-python",
        ("kafka-python-tests",),
        AS_KAFKA_PYTHON_HAS_IT,
        kafka_python.run,
        "kafka-python's integration tests",
    ),
    Suite(
        "confluent-kafka-python",
        ("confluent-kafka-python-tests",),
        AS_IN_TRIVUP,
        partial(confluent_kafka_python.run, parts=confluent_kafka_python.CORE),
        "confluent-kafka-python's integration tests",
        confluent_kafka_python.CHECKOUT,
    ),
    Suite(
        "confluent-kafka-python-share",
        ("confluent-kafka-python-tests",),
        {**AS_IN_TRIVUP, **SHORT_LOCKS},
        partial(confluent_kafka_python.run, parts=confluent_kafka_python.SHARE),
        "those of share consumers",
        confluent_kafka_python.CHECKOUT,
    ),
    Suite(
        "java",
        ("kafka-4.3.1", "kafka-3.9.2"),
        {},
        java_tools.run,
        "programs of Apache Kafka's own system tests",
    ),
)
