"""What the tests of the log build: configurations, managers, batches as a client would send them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from kwire.ids import TopicPartition
from kwire.log.config import LogConfig
from kwire.log.files import FILES, Files
from kwire.log.log import Log, LogAppendInfo
from kwire.log.manager import LogManager
from kwire.log.record_checks import prepare
from kwire.log.validate import PreparationNeeded
from kwire.wire.record_batch import BatchHeader, batches
from kwire.wire.records import Record, build_batch, read_records

NOW = 1_700_000_000_000
NEVER = (1 << 63) - 1
TOPIC_ID = bytes(range(16))
TP = TopicPartition("t", 0)

OPTIONS: dict[str, object] = {
    "cleanup.policy": ["delete"],
    "segment.bytes": 1 << 30,
    "internal.segment.bytes": None,
    "segment.ms": 604_800_000,
    "segment.jitter.ms": 0,
    "segment.index.bytes": 10_485_760,
    "index.interval.bytes": 4096,
    "retention.ms": 604_800_000,
    "retention.bytes": -1,
    "max.message.bytes": 1_048_588,
    "message.downconversion.enable": True,
    "message.timestamp.type": "CreateTime",
    "message.timestamp.before.max.ms": NEVER,
    "message.timestamp.after.max.ms": 3_600_000,
    "message.timestamp.difference.max.ms": NEVER,
    "compression.type": "producer",
    "compression.gzip.level": -1,
    "compression.lz4.level": 9,
    "compression.zstd.level": 3,
    "file.delete.delay.ms": 60_000,
    "flush.messages": NEVER,
    "flush.ms": NEVER,
    "delete.retention.ms": 86_400_000,
    "min.compaction.lag.ms": 0,
    "max.compaction.lag.ms": NEVER,
    "min.cleanable.dirty.ratio": 0.5,
    "preallocate": False,
}


def config(**overrides: object) -> LogConfig:
    """Kafka's defaults of 4.3.1, with `segment_bytes=...` for `segment.bytes`."""
    options = dict(OPTIONS)
    for name, value in overrides.items():
        option = name.replace("_", ".")
        assert option in options, option
        options[option] = value
    return LogConfig.from_options(options.__getitem__)


def remove_due(manager: LogManager, now_ms: int) -> int:
    """Remove what waited long enough; how many paths."""
    paths = manager.removals.take(now_ms)
    manager.removals.remove(paths)
    return len(paths)


def open_manager(
    *directories: Path, settings: LogConfig | None = None, now_ms: int = NOW, files: Files = FILES, broker_id: int = 1
) -> LogManager:
    chosen = settings or config()
    manager = LogManager(
        directories,
        default_config=chosen,
        config_for=lambda topic: chosen,
        broker_id=broker_id,
        cluster_id="kwire-test-cluster",
        files=files,
    )
    manager.open(now_ms)
    return manager


def crash(manager: LogManager) -> None:
    """End like kill -9: nothing is written out, and the directories' locks are free."""
    manager.close(clean=False)


def new_log(directory: Path, **overrides: object) -> Log:
    settings = config(**overrides)
    return open_manager(directory, settings=settings).get_or_create(TP, TOPIC_ID, settings, NOW)


def batch(*values: bytes | None, timestamp: int = NOW, key: bytes | None = b"k", **fields: int) -> bytearray:
    """A batch as a client sends it: base offset 0; `fields` are those of `build_batch`."""
    return build_batch([(timestamp, key, value, ()) for value in values], **fields)  # type: ignore[arg-type]


def append(log: Log, records: bytearray | bytes, *, now_ms: int = NOW, epoch: int = 0, **how: object) -> LogAppendInfo:
    """Append as the Produce handler does: what is too much for the event loop is prepared first."""
    view = memoryview(bytearray(records))
    try:
        return log.append_as_leader(view, leader_epoch=epoch, now_ms=now_ms, **how)  # type: ignore[arg-type]
    except PreparationNeeded:
        how["prepared"] = prepare(bytes(records), log.config, now_ms)
        return log.append_as_leader(view, leader_epoch=epoch, now_ms=now_ms, **how)  # type: ignore[arg-type]


def read_bytes(log: Log, offset: int, max_bytes: int = 1 << 20, up_to: int | None = None, one: bool = True) -> bytes:
    found = log.read(
        offset, max_bytes, up_to=log.log_end_offset if up_to is None else up_to, min_one_message=one
    ).records
    return found if isinstance(found, bytes) else found.read()


def headers_in(data: bytes) -> list[BatchHeader]:
    return [header for _, header in batches(data)]


def records_in(data: bytes) -> list[Record]:
    return [record for position, _ in batches(data) for record in read_records(data, position)]


def read_all(log: Log, max_bytes: int = 1 << 20) -> list[Record]:
    """Every record from the log's start, fetched as a consumer does."""
    offset, out = log.log_start_offset, []
    while offset < log.log_end_offset:
        found = [record for record in records_in(read_bytes(log, offset, max_bytes)) if record.offset >= offset]
        if not found:
            break
        out += found
        offset = found[-1].offset + 1
    return out


def values(records: Iterable[Record]) -> list[bytes | None]:
    return [record.value for record in records]
