"""One log: append, read, roll, truncate, reopen; and the idempotent producer's rules."""

from __future__ import annotations

import errno
import random
from pathlib import Path

import pytest

from kwire.errors import ErrorCode, KafkaError
from kwire.log.files import Buffer, Files, OpenFile
from kwire.log.log import Log, LogConfig
from kwire.log.manager import LogManager
from kwire.log.producer_state import Marker
from kwire.log.validate import AppendRefused
from kwire.wire.control import EndTransactionMarker, build_end_transaction_marker
from kwire.wire.parts import FileRange
from tests.log.building import (
    NOW,
    TOPIC_ID,
    TP,
    append,
    batch,
    config,
    crash,
    headers_in,
    new_log,
    open_manager,
    read_all,
    read_bytes,
    records_in,
    values,
)


def reopened(manager: LogManager, directory: Path, settings: LogConfig, *, clean: bool) -> tuple[LogManager, Log]:
    manager.close(clean=clean)
    manager = open_manager(directory, settings=settings)
    return manager, manager.get_or_create(TP, TOPIC_ID, settings, NOW)


def test_a_new_log_is_empty_and_has_no_directory_until_its_first_append(tmp_path: Path) -> None:
    log = new_log(tmp_path)
    assert (log.log_start_offset, log.log_end_offset, log.high_watermark, log.size) == (0, 0, 0, 0)
    assert log.read(0, 100, up_to=0, min_one_message=True).records == b""
    assert not Path(log.directory).exists()
    append(log, batch(b"v"))
    assert {path.name for path in Path(log.directory).iterdir()} == {f"{0:020d}.log", "partition.metadata"}
    assert (Path(log.directory) / "partition.metadata").read_text() == "version: 0\ntopic_id: AAECAwQFBgcICQoLDA0ODw"


def test_the_request_is_patched_in_place_and_written_as_it_is(tmp_path: Path) -> None:
    log = new_log(tmp_path)
    append(log, batch(b"first"))
    request = batch(b"a", b"b")
    info = log.append_as_leader(memoryview(request), leader_epoch=7, now_ms=NOW)
    assert (info.first_offset, info.last_offset, info.max_timestamp, info.duplicate) == (1, 2, NOW, False)
    (header,) = headers_in(request)
    assert (header.base_offset, header.partition_leader_epoch) == (1, 7)
    assert read_bytes(log, 1) == bytes(request)


def test_offsets_outside_of_the_log(tmp_path: Path) -> None:
    log = new_log(tmp_path)
    append(log, batch(b"a", b"b"))
    for offset in (-1, 3):
        with pytest.raises(KafkaError) as error:
            log.read(offset, 100, up_to=2, min_one_message=True)
        assert error.value.code == ErrorCode.OFFSET_OUT_OF_RANGE
    assert log.read(2, 100, up_to=2, min_one_message=True).records == b""


def test_a_read_amid_a_batch_returns_the_whole_batch(tmp_path: Path) -> None:
    log = new_log(tmp_path)
    append(log, batch(b"a", b"b", b"c"))
    append(log, batch(b"d"))
    assert [header.base_offset for header in headers_in(read_bytes(log, 1))] == [0, 3]
    assert [header.base_offset for header in headers_in(read_bytes(log, 3))] == [3]


def test_max_bytes(tmp_path: Path) -> None:
    log = new_log(tmp_path, index_interval_bytes=0)
    sizes = []
    for size in (100, 5000, 100, 100):
        records = batch(b"v" * size)
        sizes.append(len(records))
        append(log, records)
    whole = read_bytes(log, 0)
    assert len(whole) == sum(sizes)
    # The first batch whole, however small the limit; without that promise, bytes of it.
    assert len(read_bytes(log, 1, 1)) == sizes[1]
    assert len(read_bytes(log, 1, 1, one=False)) == 1
    # Cut where an indexed batch begins, not amid one.
    assert len(read_bytes(log, 0, sizes[0] + sizes[1] + 5)) == sizes[0] + sizes[1]
    assert read_bytes(log, 0, sizes[0] + 10) == whole[: sizes[0]]


def test_a_read_does_not_go_beyond_its_bound(tmp_path: Path) -> None:
    log = new_log(tmp_path)
    for value in (b"a", b"b", b"c"):
        append(log, batch(value))
    assert values(records_in(read_bytes(log, 0, up_to=2))) == [b"a", b"b"]
    assert read_bytes(log, 2, up_to=2) == b""
    assert log.update_high_watermark(2)
    assert not log.update_high_watermark(1)
    assert log.high_watermark == 2
    assert log.update_high_watermark(99)
    assert log.high_watermark == 3


def test_a_range_outlives_the_segments_files(tmp_path: Path) -> None:
    log = new_log(tmp_path)
    append(log, batch(b"v"))
    found = log.read(0, 1000, up_to=1, min_one_message=True).records
    assert isinstance(found, FileRange)
    log.segments.close()
    (Path(log.directory) / f"{0:020d}.log").unlink()
    assert values(records_in(found.read())) == [b"v"]


@pytest.mark.parametrize(
    ("overrides", "rolls"),
    [
        ({"segment_bytes": 200}, True),
        ({"segment_bytes": 100_000}, False),
        ({"segment_index_bytes": 16, "index_interval_bytes": 0}, True),
    ],
)
def test_rolls_by_size_and_by_full_index(tmp_path: Path, overrides: dict[str, object], rolls: bool) -> None:
    log = new_log(tmp_path, **overrides)
    for n in range(8):
        append(log, batch(b"v%d" % n))
    assert (len(log.segments) > 1) == rolls
    assert values(read_all(log)) == [b"v%d" % n for n in range(8)]
    for segment, following in log.segments.from_offset(0):
        if following is not None:
            sizes = [Path(path).stat().st_size for path in segment.paths[1:3]]
            assert sizes == [segment.index.size, segment.time_index.size]
            assert (Path(log.directory) / f"{following:020d}.snapshot").exists()


def test_rolls_by_record_time_and_by_the_clock_without_timestamps(tmp_path: Path) -> None:
    log = new_log(tmp_path / "a", segment_ms=1000)
    append(log, batch(b"v", timestamp=NOW - 5000))
    append(log, batch(b"v", timestamp=NOW - 4000))
    assert len(log.segments) == 1
    append(log, batch(b"v", timestamp=NOW - 3999))
    assert len(log.segments) == 2
    untimed = new_log(tmp_path / "b", segment_ms=1000)
    append(untimed, batch(b"v", timestamp=-1), now_ms=NOW + 900)
    append(untimed, batch(b"v", timestamp=-1), now_ms=NOW + 1000)
    assert len(untimed.segments) == 1
    append(untimed, batch(b"v", timestamp=-1), now_ms=NOW + 1001)
    assert len(untimed.segments) == 2


def test_jitter_rolls_earlier(tmp_path: Path) -> None:
    settings = config(segment_ms=1000, segment_jitter_ms=400)
    manager = LogManager(
        [tmp_path],
        default_config=settings,
        config_for=lambda topic: settings,
        broker_id=1,
        cluster_id="c",
        draw_jitter_ms=lambda maximum: maximum // 2,
    )
    manager.open(NOW)
    log = manager.get_or_create(TP, TOPIC_ID, settings, NOW)
    append(log, batch(b"v", timestamp=NOW))
    append(log, batch(b"v", timestamp=NOW + 800))
    assert len(log.segments) == 1
    append(log, batch(b"v", timestamp=NOW + 801))
    assert len(log.segments) == 2


def test_flush_messages_moves_the_recovery_point(tmp_path: Path) -> None:
    log = new_log(tmp_path, flush_messages=3)
    append(log, batch(b"a", b"b"))
    assert log.recovery_point == 0
    append(log, batch(b"c"))
    assert log.recovery_point == 3


def test_closed_segments_are_handed_out_for_flushing(tmp_path: Path) -> None:
    log = new_log(tmp_path, segment_bytes=100)
    for _ in range(3):
        append(log, batch(b"v"))
    todo = log.unflushed_segments()
    assert [segment.base_offset for segment in todo] == [0, 1]
    for segment in todo:
        segment.flush()
    log.flushed_to(2)
    assert log.recovery_point == 2
    assert log.unflushed_segments() == []


def test_followers_take_offsets_and_epochs_as_given(tmp_path: Path) -> None:
    leader, follower = new_log(tmp_path / "a"), new_log(tmp_path / "b")
    append(leader, batch(b"a", b"b"), epoch=3)
    append(leader, batch(b"c"), epoch=5)
    data = read_bytes(leader, 0)
    info = follower.append_as_follower(data + data[:30], now_ms=NOW)
    assert (info.first_offset, info.last_offset) == (0, 2)
    assert read_bytes(follower, 0) == data
    assert follower.epochs.entries == leader.epochs.entries == [(3, 0), (5, 2)]
    with pytest.raises(KafkaError):
        follower.append_as_follower(data, now_ms=NOW)


# The idempotent producer, case by case as the behaviour of Kafka shows it.


def sent(log: Log, sequence: int, *values: bytes, epoch: int = 0, producer_id: int = 9, version: int = 13) -> object:
    records = batch(*(values or (b"v",)), producer_id=producer_id, producer_epoch=epoch, base_sequence=sequence)
    return append(log, records, produce_version=version)


def refused(log: Log, sequence: int, *values: bytes, epoch: int = 0) -> ErrorCode:
    end = log.log_end_offset
    with pytest.raises(AppendRefused) as refusal:
        sent(log, sequence, *values, epoch=epoch)
    assert refusal.value.log_start_offset == 0
    assert refusal.value.message is None
    assert log.log_end_offset == end
    return refusal.value.code


def test_the_last_five_batches_are_recognised_as_duplicates(tmp_path: Path) -> None:
    log = new_log(tmp_path)
    for sequence in range(6):
        sent(log, sequence)
    for sequence in range(1, 6):
        info = append(log, batch(b"v", producer_id=9, producer_epoch=0, base_sequence=sequence))
        assert (info.first_offset, info.last_offset, info.duplicate) == (sequence, sequence, True)
        assert info.log_append_time_ms == NOW
    assert refused(log, 0) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert log.log_end_offset == 6


def test_sequences(tmp_path: Path) -> None:
    log = new_log(tmp_path)
    sent(log, 0, b"a", b"b")
    assert refused(log, 3) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert refused(log, 0, b"a", b"b", b"c") is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert refused(log, 2147483647) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    sent(log, 2)
    assert refused(log, 3, epoch=1) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    sent(log, 0, epoch=1)
    assert refused(log, 3, epoch=0) is ErrorCode.INVALID_PRODUCER_EPOCH
    assert refused(log, 3, epoch=-1) is ErrorCode.INVALID_PRODUCER_EPOCH
    assert refused(log, -1, epoch=1) is ErrorCode.INVALID_RECORD


def test_an_unknown_producer_may_begin_anywhere_and_sequences_wrap(tmp_path: Path) -> None:
    log = new_log(tmp_path)
    sent(log, 2147483646, b"a", b"b")
    sent(log, 0)
    assert log.log_end_offset == 3
    crossing = new_log(tmp_path / "crossing")
    sent(crossing, 2147483647, b"a", b"b")
    sent(crossing, 1)
    assert sent(crossing, 2147483647, b"a", b"b").duplicate  # type: ignore[attr-defined]


@pytest.mark.parametrize("clean", [True, False])
def test_duplicates_are_recognised_after_a_restart(tmp_path: Path, clean: bool) -> None:
    settings = config(segment_bytes=300)
    manager = open_manager(tmp_path, settings=settings)
    log = manager.get_or_create(TP, TOPIC_ID, settings, NOW)
    for sequence in range(7):
        sent(log, sequence)
    manager, log = reopened(manager, tmp_path, settings, clean=clean)
    assert sent(log, 6).first_offset == 6  # type: ignore[attr-defined]
    assert log.log_end_offset == 7
    sent(log, 7)
    assert refused(log, 9) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_transactions_hold_the_last_stable_offset_back(tmp_path: Path) -> None:
    log = new_log(tmp_path)
    append(log, batch(b"plain"))
    for producer_id in (1, 2):
        append(log, batch(b"t", producer_id=producer_id, producer_epoch=0, base_sequence=0, transactional=True))
    with pytest.raises(AppendRefused) as refusal:
        append(log, batch(b"t", producer_id=1, producer_epoch=0, base_sequence=1))
    assert refusal.value.code == ErrorCode.INVALID_TXN_STATE
    log.update_high_watermark(3)
    assert log.last_stable_offset == 1
    for producer_id, committed in ((1, False), (2, True)):
        marker = EndTransactionMarker(committed, 0)
        data = build_end_transaction_marker(marker, producer_id=producer_id, producer_epoch=0, timestamp=NOW)
        append(log, data, from_client=False)
    assert log.last_stable_offset == 1
    log.update_high_watermark(4)
    assert log.last_stable_offset == 2
    log.update_high_watermark(5)
    assert log.last_stable_offset == 5
    assert [tuple(entry) for entry in log.aborted_transactions(0, 5)] == [(1, 1, 3, 2)]
    fenced = build_end_transaction_marker(
        EndTransactionMarker(True, -1), producer_id=1, producer_epoch=0, timestamp=NOW
    )
    with pytest.raises(AppendRefused) as refusal:
        append(log, fenced, from_client=False)
    assert refusal.value.code == ErrorCode.TRANSACTION_COORDINATOR_FENCED


@pytest.mark.parametrize("committed", [True, False])
def test_a_marker_that_its_writer_tells_does_what_the_parsed_one_does(tmp_path: Path, committed: bool) -> None:
    seen = []
    for told in (Marker(committed, 5), None):
        log = new_log(tmp_path / f"{told is None}")
        append(log, batch(b"t", producer_id=1, producer_epoch=0, base_sequence=0, transactional=True))
        wire_form = EndTransactionMarker(committed, 5)
        data = build_end_transaction_marker(wire_form, producer_id=1, producer_epoch=1, timestamp=NOW)
        append(log, data, from_client=False, marker=told)
        log.update_high_watermark(2)
        producer = log.producers.entries[1]
        state = (producer.epoch, producer.coordinator_epoch, producer.txn_first_offset, producer.last_timestamp)
        seen.append((state, log.last_stable_offset, log.aborted_transactions(0, 2)))
    assert seen[0] == seen[1]
    assert seen[0][0] == (1, 5, None, NOW)
    assert bool(seen[0][2]) is not committed


# A disk that fails.


class FailingFiles(Files):
    """Writes a part of what it is given, then fails, once armed."""

    __slots__ = ("error",)

    def __init__(self) -> None:
        self.error: OSError | None = None

    def write_at(self, file: OpenFile, data: Buffer, position: int) -> None:
        if self.error is not None:
            super().write_at(file, bytes(data)[: len(data) // 2], position)
            raise self.error
        super().write_at(file, data, position)


def test_a_failed_write_leaves_no_torn_batch_and_takes_the_directory_offline(tmp_path: Path) -> None:
    files = FailingFiles()
    manager = open_manager(tmp_path, files=files)
    log = manager.get_or_create(TP, TOPIC_ID, config(), NOW)
    append(log, batch(b"a"))
    size = log.size
    files.error = OSError(errno.ENOSPC, "No space left on device")
    for _ in range(2):
        with pytest.raises(AppendRefused) as refusal:
            append(log, batch(b"b"))
        assert (refusal.value.code, refusal.value.log_start_offset) == (ErrorCode.KAFKA_STORAGE_ERROR, -1)
    assert (log.size, log.log_end_offset) == (size, 1)
    assert Path(log.segments.active.log_path).stat().st_size == size
    assert not manager.directories[0].is_online
    with pytest.raises(KafkaError) as error:
        manager.get_or_create(TP, TOPIC_ID, config(), NOW)
    assert error.value.code == ErrorCode.KAFKA_STORAGE_ERROR


def test_running_out_of_descriptors_does_not_blame_the_disk(tmp_path: Path) -> None:
    files = FailingFiles()
    manager = open_manager(tmp_path, files=files)
    log = manager.get_or_create(TP, TOPIC_ID, config(), NOW)
    files.error = OSError(errno.EMFILE, "Too many open files")
    with pytest.raises(AppendRefused):
        append(log, batch(b"a"))
    files.error = None
    assert manager.directories[0].is_online
    assert append(log, batch(b"a")).first_offset == 0


class UnindexableFiles(Files):
    """Has no descriptor left for an index file, once armed."""

    __slots__ = ("armed",)

    def __init__(self) -> None:
        self.armed = False

    def open(self, path: str, *, create: bool = False) -> OpenFile:
        if self.armed and path.endswith("index"):
            raise OSError(errno.EMFILE, "Too many open files")
        return super().open(path, create=create)


def test_a_batch_that_cannot_be_indexed_is_taken_back(tmp_path: Path) -> None:
    files = UnindexableFiles()
    settings = config(index_interval_bytes=0)
    manager = open_manager(tmp_path, settings=settings, files=files)
    log = manager.get_or_create(TP, TOPIC_ID, settings, NOW)
    files.armed = True
    appended = 0
    # The first run of entries is full some time, and wants its file.
    refused = False
    while not refused and appended < 300:
        try:
            append(log, batch(b"%d" % appended, timestamp=NOW + appended))
        except AppendRefused as refusal:
            refused = refusal.code == ErrorCode.KAFKA_STORAGE_ERROR
        else:
            appended += 1
    assert refused
    assert manager.directories[0].is_online
    assert log.size == Path(log.segments.active.log_path).stat().st_size
    files.armed = False
    for later in range(appended, appended + 5):
        assert append(log, batch(b"%d" % later, timestamp=NOW + later)).first_offset == later
    expected = [b"%d" % n for n in range(appended + 5)]
    assert values(read_all(log)) == expected
    assert log.max_timestamp_offset() == (NOW + appended + 4, appended + 4, 0)
    _, log = reopened(manager, tmp_path, settings, clean=False)
    assert values(read_all(log)) == expected


def test_what_was_written_keeps_its_offset_when_the_transaction_index_fails(tmp_path: Path) -> None:
    files = UnindexableFiles()
    log = open_manager(tmp_path, files=files).get_or_create(TP, TOPIC_ID, config(), NOW)
    append(log, batch(b"a", transactional=True, producer_id=1, producer_epoch=0, base_sequence=0), from_client=False)
    abort = build_end_transaction_marker(EndTransactionMarker(False, 0), producer_id=1, producer_epoch=0, timestamp=NOW)
    files.armed = True
    with pytest.raises(AppendRefused):
        append(log, abort, from_client=False)
    files.armed = False
    assert append(log, batch(b"b")).first_offset == 2
    assert [header.base_offset for header in headers_in(read_bytes(log, 0))] == [0, 1, 2]


# Seeded histories against a plain model.


@pytest.mark.parametrize("seed", range(25))
def test_a_history_of_appends_reads_rolls_truncations_and_restarts(tmp_path: Path, seed: int) -> None:
    choice = random.Random(seed)
    settings = config(
        segment_bytes=choice.choice([900, 2500, 100_000]), index_interval_bytes=choice.choice([0, 100, 4096])
    )
    manager = open_manager(tmp_path, settings=settings)
    log = manager.get_or_create(TP, TOPIC_ID, settings, NOW)
    model: list[tuple[int, int, bytes]] = []
    start = end = epoch = 0
    for step in range(120):
        action = choice.choices(
            ["append", "read", "time", "truncate", "restart", "kill", "delete", "roll"], [50, 25, 8, 3, 3, 3, 2, 3]
        )[0]
        if action == "append":
            epoch += choice.random() < 0.1
            new = [b"%d-%d" % (step, n) * choice.randrange(1, 30) for n in range(choice.randrange(1, 6))]
            timestamp = NOW + choice.randrange(1000)
            info = append(log, batch(*new, timestamp=timestamp, compression=choice.choice([0, 0, 1, 4])), epoch=epoch)
            assert (info.first_offset, info.last_offset) == (end, end + len(new) - 1)
            model += [(end + n, timestamp, value) for n, value in enumerate(new)]
            end += len(new)
            log.update_high_watermark(end)
        elif action == "read" and end > start:
            offset = choice.randrange(start, end)
            found = records_in(read_bytes(log, offset, choice.choice([1, 300, 2000, 1 << 20])))
            assert found
            assert found[0].offset <= offset <= found[-1].offset
            expected = [row for row in model if found[0].offset <= row[0] <= found[-1].offset]
            got = [(record.offset, record.timestamp, record.value) for record in found if record.offset >= start]
            assert got == expected
        elif action == "time":
            timestamp = NOW + choice.randrange(1100)
            first = next((row for row in model if row[1] >= timestamp), None)
            found_at = log.offset_for_timestamp(timestamp)
            assert (None if found_at is None else found_at[:2]) == (None if first is None else (first[1], first[0]))
            largest = max(model, key=lambda row: row[1], default=None)
            most = log.max_timestamp_offset()
            assert (None if most is None else most[:2]) == (None if largest is None else (largest[1], largest[0]))
        elif action == "truncate" and end > start:
            # At a batch's start, as leaders and followers agree on them.
            offset = headers_in(read_bytes(log, choice.randrange(start, end)))[0].base_offset
            if offset >= start:
                log.truncate_to(offset, NOW)
                end = offset
                model = [row for row in model if row[0] < offset]
                epoch = max(epoch, log.latest_epoch)
        elif action in ("restart", "kill"):
            if action == "kill":
                manager.checkpoint(NOW)
            manager, log = reopened(manager, tmp_path, settings, clean=action == "restart")
            log.update_high_watermark(end)
        elif action == "delete":
            start = log.delete_records(choice.randrange(start, end + 1))
            model = [row for row in model if row[0] >= start]
            log.delete_old_segments(NOW)
        elif action == "roll":
            log.roll(NOW)
        assert (log.log_start_offset, log.log_end_offset) == (start, end)
    assert [(record.offset, record.timestamp, record.value) for record in read_all(log)] == model
    crash(manager)


def test_a_decided_transaction_holds_nothing_back_after_a_restart(tmp_path: Path) -> None:
    settings = config()
    manager = open_manager(tmp_path, settings=settings)
    log = manager.get_or_create(TP, TOPIC_ID, settings, NOW)
    append(log, batch(b"t", producer_id=1, producer_epoch=0, base_sequence=0, transactional=True))
    marker = build_end_transaction_marker(EndTransactionMarker(True, 0), producer_id=1, producer_epoch=0, timestamp=NOW)
    append(log, marker, from_client=False)
    log.update_high_watermark(2)
    manager.checkpoint(NOW)
    manager, log = reopened(manager, tmp_path, settings, clean=False)
    assert log.last_stable_offset == 2
