"""The load of the kill -9 test: an idempotent producer, a consumer group that commits, and the reading back."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # not in its __all__

RETRY_S = 60.0
NUMBERS_PER_PAUSE, PAUSE_S = 50, 0.01  # at most 5000 numbers a second, so that reading all back takes no longer
QUIET = 2  # librdkafka's log level: a broker that goes away is no news here
QUICK_RETRIES = {
    "log_level": QUIET,
    "reconnect.backoff.ms": 20,
    "reconnect.backoff.max.ms": 200,
    "retry.backoff.ms": 50,
}


def create_topic(bootstrap: str, topic: str, partitions: int, options: Mapping[str, str] | None = None) -> None:
    """Raises KafkaException."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": QUIET})
    admin.create_topics([NewTopic(topic, partitions, 1, config=dict(options or {}))])[topic].result(30)


class IdempotentLoad(threading.Thread):
    """Writes numbers, counted up per partition, and remembers those whose delivery was reported.

    With `keys`, number n has the key n modulo `keys`, so that each key is written again and again.
    Every NUMBERS_PER_PAUSE numbers it pauses for `pause_s`.
    """

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        partitions: int,
        filler_bytes: int,
        stop: threading.Event,
        *,
        keys: int | None = None,
        pause_s: float = PAUSE_S,
    ) -> None:
        super().__init__(daemon=True)
        self._keys, self._pause_s = keys, pause_s
        self._topic, self._partitions, self._stop_event = topic, partitions, stop
        self._filler = b"." * filler_bytes
        self._acknowledged: list[dict[int, int]] = [{} for _ in range(partitions)]
        self.failures: list[str] = []
        settings = {"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5}
        limits = {"queue.buffering.max.messages": 20_000, "delivery.timeout.ms": 600_000, "batch.num.messages": 500}
        self._producer = Producer(settings | limits | QUICK_RETRIES)

    def acknowledged(self, partition: int) -> dict[int, int]:
        """The offset of each number whose delivery was reported."""
        return self._acknowledged[partition]

    def total(self) -> int:
        """Records acknowledged so far."""
        return sum(len(numbers) for numbers in self._acknowledged)

    def _delivered(self, error: object, message: Message) -> None:
        if error:
            self.failures.append(f"not delivered: {error}")
            return
        value, partition, offset = message.value(), message.partition(), message.offset()
        assert value is not None
        assert partition is not None
        assert offset is not None
        self._acknowledged[partition][int(value.split(b" ")[0])] = offset

    def run(self) -> None:
        number = 0
        while not self._stop_event.is_set():
            try:
                for partition in range(self._partitions):
                    value = b"%d %s" % (number, self._filler)
                    key = None if self._keys is None else b"%d" % (number % self._keys)
                    self._producer.produce(self._topic, value, key, partition=partition, on_delivery=self._delivered)
            except BufferError:
                # A number that only some of the partitions got is not written again: it would be a second copy.
                self._producer.poll(0.05)
            number += 1
            self._producer.poll(0)
            if number % NUMBERS_PER_PAUSE == 0:
                time.sleep(self._pause_s)
        if left := self._producer.flush(RETRY_S):
            self.failures.append(f"{left} records were never acknowledged")


class CommittingGroup(threading.Thread):
    """One member reads, commits synchronously, and remembers the highest offsets whose commit was acknowledged."""

    def __init__(self, bootstrap: str, topic: str, group: str, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._broker_address, self._topic, self._group, self._stop_event = bootstrap, topic, group, stop
        self._lock = threading.Lock()
        self._acknowledged: dict[int, int] = {}
        self.failures: list[str] = []

    def _settings(self) -> dict[str, object]:
        fixed = {"bootstrap.servers": self._broker_address, "group.id": self._group, "enable.auto.commit": False}
        return fixed | {"auto.offset.reset": "earliest"} | QUICK_RETRIES

    def acknowledged(self) -> dict[int, int]:
        with self._lock:
            return dict(self._acknowledged)

    def run(self) -> None:
        consumer = Consumer(self._settings())
        consumer.subscribe([self._topic])
        while not self._stop_event.is_set():
            for message in consumer.consume(500, 0.1):
                error = message.error()
                if error is not None and error.fatal():
                    self.failures.append(f"consumer: {error}")
            try:
                committed = consumer.commit(asynchronous=False)
            except KafkaException:
                continue  # nothing new to commit, or the broker is away: not acknowledged
            with self._lock:
                for at in committed or []:
                    if at.error is None and at.offset >= 0:
                        self._acknowledged[at.partition] = max(at.offset, self._acknowledged.get(at.partition, 0))
        consumer.close()

    def committed_now(self) -> dict[int, int]:
        """What the broker says is committed, asked by a consumer that is no member; raises KafkaException."""
        probe = Consumer(self._settings())
        try:
            wanted = [TopicPartition(self._topic, p) for p in self.acknowledged()]
            deadline = time.monotonic() + RETRY_S
            while wanted:
                try:
                    return {at.partition: at.offset for at in probe.committed(wanted, timeout=5)}
                except KafkaException:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)
            return {}
        finally:
            probe.close()


def read_back(bootstrap: str, topic: str, partitions: int) -> dict[int, list[tuple[int, int]]]:
    """(offset, number) of all records in the log, by partition, in order; raises RuntimeError when reading stalls."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "unused", "enable.auto.commit": False})
    bounds = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=30) for p in range(partitions)}
    consumer.assign([TopicPartition(topic, p, low) for p, (low, _) in bounds.items()])
    found: dict[int, list[tuple[int, int]]] = {p: [] for p in range(partitions)}
    following = {p: low for p, (low, _) in bounds.items()}
    deadline = time.monotonic() + RETRY_S
    while any(following[p] < end for p, (_, end) in bounds.items()):
        if time.monotonic() > deadline:
            raise RuntimeError(f"read up to {following} of {bounds}")
        for message in consumer.consume(10_000, 0.5):
            value, partition, offset = message.value(), message.partition(), message.offset()
            if message.error() or value is None or partition is None or offset is None:
                continue
            found[partition].append((offset, int(value.split(b" ")[0])))
            following[partition] = offset + 1
            deadline = time.monotonic() + RETRY_S
    consumer.close()
    return found
