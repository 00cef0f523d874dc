"""Each topic option of segments, indexes and flushes acts, and acts at once when it is altered on a topic."""

from __future__ import annotations

import asyncio
import gc
import logging
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kwire import housekeeping
from kwire.errors import ErrorCode
from kwire.housekeeping import duties
from kwire.log import loading
from kwire.log.files import Files, OpenFile
from kwire.log.log import Log
from kwire.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from tests.api.served import Served, batch
from tests.log.building import remove_due

TOPIC, BROKER, SET = 2, 4, 0
T = 1_700_000_000_000
SIZE = len(batch(b"x"))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with closing(Served(directories=[tmp_path])) as broker:
        broker.create_topic("t")
        yield broker


def alter(served: Served, **options: object) -> None:
    changes = [
        AlterableConfig(name=name.replace("_", "."), config_operation=SET, value=str(value))
        for name, value in options.items()
    ]
    resource = AlterConfigsResource(resource_type=TOPIC, resource_name="t", configs=changes)
    (answer,) = served.call(IncrementalAlterConfigsRequest(resources=[resource], validate_only=False), 1).responses
    assert answer.error_code == ErrorCode.NONE, answer.error_message


def written(served: Served, *timestamps: int) -> Log:
    for timestamp in timestamps or (T,):
        served.fill("t", batch(b"x", timestamp=timestamp))
    return served.log("t")


def bases(log: Log) -> list[int]:
    return [segment.base_offset for segment in log.segments]


def test_segment_bytes(served: Served) -> None:
    large = batch(bytes(300_000))
    served.fill("t", *[large] * 5)
    assert bases(served.log("t")) == [0]
    alter(served, segment_bytes=1 << 20)
    served.fill("t", *[large] * 4)
    assert bases(served.log("t")) == [0, 5, 8]


def test_segment_ms_goes_by_the_records_time(served: Served) -> None:
    assert bases(written(served, T, T + 60_000)) == [0]
    alter(served, segment_ms=50_000)
    assert bases(written(served, T + 60_001)) == [0, 2]
    assert bases(written(served, T + 100_000, T + 110_001)) == [0, 2]
    assert bases(written(served, T + 110_002)) == [0, 2, 5]


def test_segment_jitter_ms_makes_segments_roll_earlier(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []

    def largest(most: int) -> int:
        drawn.append(most)
        return most

    monkeypatch.setattr(served.broker.services.logs, "_draw_jitter_ms", largest)
    alter(served, segment_ms=50_000, segment_jitter_ms=20_000)
    # Drawn when a segment begins: the first one has none.
    assert bases(written(served, T, T + 49_000, T + 50_001)) == [0, 2]
    assert bases(written(served, T + 79_000, T + 80_002)) == [0, 2, 4]
    assert drawn == [20_000, 20_000]
    alter(served, segment_jitter_ms=90_000)
    written(served, T + 200_000)
    assert drawn[2:] == [50_000]


def test_segment_index_bytes(served: Served) -> None:
    alter(served, index_interval_bytes=0, segment_index_bytes=24)
    served.log("t").roll(T)
    log = written(served, *range(T, T + 9))
    # The options of an index are those of the time when its segment began, as in Kafka.
    assert bases(log) == [0]
    log.roll(T)
    # Two entries of 12 bytes, of which the time index keeps one for the roll; the first batch has none.
    assert bases(written(served, *range(T + 10, T + 16))) == [0, 9, 11, 13]


def test_index_interval_bytes(served: Served) -> None:
    log = written(served, *[T] * 10)
    assert log.segments.active.index.entry_count == 0
    alter(served, index_interval_bytes=2 * SIZE)
    log.roll(T)
    written(served, *[T] * 10)
    assert log.segments.active.index.entry_count == 3


def test_preallocate(served: Served) -> None:
    log = written(served)
    path = Path(log.segments.active.log_path)
    assert path.stat().st_size == SIZE
    alter(served, preallocate="true", segment_bytes=1 << 20)
    log.roll(T)
    written(served)
    path = Path(log.segments.active.log_path)
    assert path.stat().st_size == 1 << 20
    assert path.stat().st_blocks * 512 < 1 << 20
    log.roll(T)
    assert path.stat().st_size == SIZE
    written(served)
    newest = Path(log.segments.active.log_path)
    assert newest.stat().st_size == 1 << 20
    served.broker.services.logs.close()
    assert newest.stat().st_size == SIZE


def test_file_delete_delay_ms(served: Served) -> None:
    logs = served.broker.services.logs
    for delay_ms in (1000, 5000):
        alter(served, file_delete_delay_ms=delay_ms)
        log = written(served)
        log.roll(T)
        written(served)
        now_ms = served.clock.now_ms()
        log.delete_records(log.log_end_offset - 1)
        assert log.delete_old_segments(now_ms) == 1
        deleted = list(Path(log.directory).glob("*.deleted"))
        assert deleted
        remove_due(logs, now_ms + delay_ms - 1)
        assert all(path.exists() for path in deleted)
        remove_due(logs, now_ms + delay_ms)
        assert not any(path.exists() for path in deleted)


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of files that were put on the device."""
    names: list[str] = []

    def sync(self: Files, file: OpenFile) -> None:
        names.append(Path(file.path).name)

    monkeypatch.setattr(Files, "sync", sync)
    return names


def test_flush_messages(served: Served, synced: list[str]) -> None:
    written(served, *[T] * 5)
    assert synced == []
    alter(served, flush_messages=3)
    log = written(served)
    assert synced.count(f"{0:020d}.log") == 1
    assert log.recovery_point == 6
    synced.clear()
    written(served, T, T)
    assert synced == []
    written(served)
    assert f"{0:020d}.log" in synced


def test_flush_ms(served: Served, synced: list[str]) -> None:
    logs = served.broker.services.logs
    log = written(served)
    served.clock.advance(10_000)
    assert logs.flush_due(served.clock.now_ms()) == 0
    alter(served, flush_ms=9000)
    assert logs.flush_due(served.clock.now_ms()) == 1
    assert (log.recovery_point, f"{0:020d}.log" in synced) == (1, True)
    assert logs.flush_due(served.clock.now_ms()) == 0
    written(served)
    served.clock.advance(8999)
    assert logs.flush_due(served.clock.now_ms()) == 0
    served.clock.advance(1)
    assert logs.flush_due(served.clock.now_ms()) == 1


@pytest.mark.parametrize(
    ("option", "file"),
    [
        ("log.flush.offset.checkpoint.interval.ms", "recovery-point-offset-checkpoint"),
        ("log.flush.start.offset.checkpoint.interval.ms", "log-start-offset-checkpoint"),
        ("replica.high.watermark.checkpoint.interval.ms", "replication-offset-checkpoint"),
    ],
)
def test_checkpoints_come_in_their_intervals(tmp_path: Path, option: str, file: str) -> None:
    import asyncio

    rare = {
        "log.flush.offset.checkpoint.interval.ms": "3600000",
        "log.flush.start.offset.checkpoint.interval.ms": "3600000",
        "replica.high.watermark.checkpoint.interval.ms": "3600000",
    }
    with closing(Served(rare | {option: "10"}, directories=[tmp_path])) as served:
        served.create_topic("t")
        log = written(served, T, T, T)
        log.flush(T)
        log.delete_records(2)
        for _ in range(1000):
            served.run(asyncio.sleep(0.002))
            if (tmp_path / file).exists() and "t 0 " in (tmp_path / file).read_text():
                break
        value = 2 if "start" in option else 3
        assert (tmp_path / file).read_text() == f"0\n1\nt 0 {value}\n"
        if file == "replication-offset-checkpoint":
            # The start writes the others once; after that this interval leaves them alone.
            assert "t 0" not in (tmp_path / "log-start-offset-checkpoint").read_text()


def test_idle_producers_are_forgotten(tmp_path: Path) -> None:
    import asyncio

    options = {"producer.id.expiration.ms": "5000", "producer.id.expiration.check.interval.ms": "10"}
    with closing(Served(options, directories=[tmp_path])) as served:
        served.create_topic("t")
        now_ms = served.clock.now_ms()
        for producer_id, timestamp in ((1, now_ms - 6000), (2, now_ms)):
            served.fill(
                "t", batch(b"x", timestamp=timestamp, producer_id=producer_id, producer_epoch=0, base_sequence=0)
            )
        producers = served.log("t").producers
        for _ in range(1000):
            served.run(asyncio.sleep(0.002))
            if 1 not in producers.entries:
                break
        assert set(producers.entries) == {2}
        served.broker.config.apply_dynamic({}, {"producer.id.expiration.ms": "100"})
        served.clock.advance(101)
        for _ in range(1000):
            served.run(asyncio.sleep(0.002))
            if not producers.entries:
                break
        assert not producers.entries


def test_expired_producers_are_not_loaded_again(tmp_path: Path) -> None:
    options = {"producer.id.expiration.ms": "5000"}
    with closing(Served(options, directories=[tmp_path])) as served:
        served.create_topic("t")
        now_ms = served.clock.now_ms()
        for producer_id, timestamp in ((1, now_ms - 6000), (2, now_ms)):
            identity = {"producer_id": producer_id, "producer_epoch": 0, "base_sequence": 0}
            served.fill("t", batch(b"x", timestamp=timestamp, **identity))
        open_since = {"producer_id": 3, "producer_epoch": 0, "base_sequence": 0, "transactional": True}
        served.fill("t", batch(b"x", timestamp=now_ms - 6000, **open_since))
    with closing(Served(options, directories=[tmp_path])) as served:
        assert set(served.log("t").producers.entries) == {2, 3}


def test_recovery_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import concurrent.futures

    asked: list[int] = []

    class Pool(concurrent.futures.ThreadPoolExecutor):
        def __init__(self, max_workers: int, *names: str) -> None:
            asked.append(max_workers)
            super().__init__(max_workers, *names)

    with closing(Served(directories=[tmp_path])) as served:
        served.create_topic("t", 5)
        for partition in range(5):
            served.fill("t", batch(b"x"), partition=partition)
    (tmp_path / ".kafka_cleanshutdown").unlink()
    monkeypatch.setattr(concurrent.futures, "ThreadPoolExecutor", Pool)
    with closing(Served({"num.recovery.threads.per.data.dir": "3"}, directories=[tmp_path])) as served:
        assert asked == [3]
        assert [served.log("t", partition).log_end_offset for partition in range(5)] == [1] * 5


def test_recovery_says_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(Served(directories=[tmp_path])) as served:
        served.create_topic("t", 9)
        for partition in range(9):
            served.fill("t", batch(bytes(900_000)), partition=partition)
    (tmp_path / ".kafka_cleanshutdown").unlink()
    monkeypatch.setattr(loading, "_PROGRESS_INTERVAL_S", 0.0)
    caplog.set_level(logging.INFO, "kwire.log.loading")
    # Nothing was flushed, as far as the next start can tell.
    (tmp_path / "recovery-point-offset-checkpoint").unlink()
    with closing(Served({"num.recovery.threads.per.data.dir": "1"}, directories=[tmp_path])):
        said = [record.getMessage() for record in caplog.records if "recovery" in record.getMessage()]
    assert len(said) > 1
    assert said[-1] == "recovery after an unclean stop: 9 of 9 logs, 7 MiB read"
    assert all(re.fullmatch(r"recovery after an unclean stop: \d of 9 logs, \d MiB read", text) for text in said)


def test_every_periodic_option_has_its_duty(served: Served) -> None:
    services = served.broker.services
    made = duties(services.logs, served.broker.config, served.clock.now_ms, services.replicas.reopen)
    assert len(made) >= 9
    for each in made:
        each.close()


@pytest.mark.parametrize("enable", ["true", "false"])
def test_log_cleaner_enable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, enable: str) -> None:
    """Without the cleaner nothing is compacted; as in Kafka the option is read at the start alone."""
    monkeypatch.setattr(housekeeping, "START_OF_COMPACTION_MS", 0)
    settings = {"log.cleaner.enable": enable, "log.cleaner.backoff.ms": "0"}
    with closing(Served(settings, directories=[tmp_path])) as served:
        served.create_topic("t", cleanup_policy="compact", min_cleanable_dirty_ratio="0.0")
        log = written(served, T, T + 1)
        log.update_high_watermark(2)
        log.roll(T)

        async def settled() -> None:
            for _ in range(500 if enable == "true" else 10):
                await asyncio.sleep(0.01)
                if log.size < 2 * SIZE:
                    return

        served.run(settled())
        assert (log.size < 2 * SIZE) == (enable == "true")
        change = AlterableConfig(name="log.cleaner.enable", config_operation=SET, value="true")
        resource = AlterConfigsResource(resource_type=BROKER, resource_name="", configs=[change])
        (answer,) = served.call(IncrementalAlterConfigsRequest(resources=[resource], validate_only=False), 1).responses
        assert answer.error_code == ErrorCode.INVALID_REQUEST


def test_a_stop_ends_the_cleaner_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(housekeeping, "START_OF_COMPACTION_MS", 0)
    with closing(Served(directories=[tmp_path])) as served:
        served.run(asyncio.sleep(0.1))
    gc.collect()
    assert "Task was destroyed" not in caplog.text


def test_producer_id_expiration_ms_counts_as_it_is_now(served: Served) -> None:
    """For logs that are opened later, too."""
    logs = served.broker.services.logs
    day_ms = 86_400_000
    assert logs.is_expired(T, T + 2 * day_ms)
    change = AlterableConfig(name="producer.id.expiration.ms", config_operation=SET, value=str(7 * day_ms))
    resource = AlterConfigsResource(resource_type=BROKER, resource_name="", configs=[change])
    (answer,) = served.call(IncrementalAlterConfigsRequest(resources=[resource], validate_only=False), 1).responses
    assert answer.error_code == ErrorCode.NONE, answer.error_message
    assert not logs.is_expired(T, T + 2 * day_ms)
    assert logs.is_expired(T, T + 7 * day_ms)
