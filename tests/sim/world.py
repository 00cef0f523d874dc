"""A broker's logs on the disk in memory, the model beside them, and the promises that are checked between steps."""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, NoReturn

from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition
from kwire.log.config import LogConfig
from kwire.log.directory import LogDirectoryError
from kwire.log.log import Log
from kwire.log.manager import LogManager
from kwire.log.reopening import Reopening, can_come_back
from kwire.wire.record_batch import batches, verify
from tests.log.building import config
from tests.sim import inspection
from tests.sim.batches import promise
from tests.sim.disk import Manner, SimDisk
from tests.sim.faults import Fault, Kind
from tests.sim.model import PartitionModel

if TYPE_CHECKING:
    from tests.sim.compaction import Compaction

START_MS = 1_700_000_000_000
PARTITIONS = (TopicPartition("a", 0), TopicPartition("b", 0))
PRODUCERS = (11, 12, 13)


class StorageFailedError(Exception):
    """A fault met the operation; its directory is offline, as it should be."""


class HistoryOverError(Exception):
    """Nothing more is promised: the device lied about an fsync and lost power, and what is left was looked at; or power
    was lost after a deletion that never reached the device, whose topic may be there under the next one's name.
    """


def _manner(rng: Random) -> Manner:
    return Manner(in_order=rng.random() < 0.5, keeps=rng.choice((0.0, 0.3, 0.7, 0.95)))


class World:
    """One history's state. Everything in it follows from the seed."""

    def __init__(self, seed: int) -> None:
        rng = Random(seed)
        self.now_ms = START_MS
        self.disk = SimDisk(START_MS)
        self.directories = ["/d0", "/d1"][: rng.choice((1, 1, 2))]
        self.settings: dict[str, object] = {
            "segment_bytes": rng.choice((400, 900, 2500, 100_000)),
            "segment_ms": rng.choice((5_000, 60_000, 10**9)),
            "segment_index_bytes": rng.choice((40, 120, 1200)),
            "index_interval_bytes": rng.choice((0, 0, 150, 1000)),
            "retention_ms": rng.choice((20_000, 200_000, -1)),
            "retention_bytes": rng.choice((1000, 4000, -1)),
            "flush_messages": rng.choice((1, 7, 1 << 62, 1 << 62)),
            "file_delete_delay_ms": rng.choice((0, 30_000)),
            "message_timestamp_after_max_ms": 1 << 62,
            "cleanup_policy": rng.choice((["delete"], ["delete"], ["compact"], ["compact", "delete"])),
            "delete_retention_ms": rng.choice((0, 10_000, 60_000)),
            "min_compaction_lag_ms": rng.choice((0, 0, 20_000)),
            "min_cleanable_dirty_ratio": rng.choice((0.0, 0.0, 0.5)),
        }
        self._config: LogConfig | None = None
        self.models: dict[TopicPartition, PartitionModel] = {}
        self.leader_epoch = 0
        self.counter = 0
        """Makes every record's value, topic id and coordinator unlike any other."""
        self.runs = True
        """Whether the broker was not stopped."""
        self.may_die = True
        """Whether the machine may die amid a compaction."""
        self.compaction: Compaction | None = None
        """The one that is under way."""
        self.deletion_failed = False
        """Whether a topic was deleted of which the device may not know."""
        self.dead_workers: list[Compaction] = []
        """Kept, since a generator that goes away tidies up, and a process that is killed does not."""
        self.manager = self.new_manager()
        self.manager.open(self.now_ms, recovery_threads=0)
        for topic_partition in PARTITIONS:
            self.new_model(topic_partition)

    # Access.

    @property
    def config(self) -> LogConfig:
        """The topics' options as they are now."""
        if self._config is None:
            self._config = config(**self.settings)
        return self._config

    def set_option(self, name: str, value: object) -> None:
        self.settings[name] = value
        self._config = None

    def unique(self) -> int:
        self.counter += 1
        return self.counter

    def new_topic_id(self) -> bytes:
        return self.unique().to_bytes(16)

    def new_model(self, topic_partition: TopicPartition) -> None:
        """The topic is new."""
        self.models[topic_partition] = PartitionModel(self.new_topic_id(), is_compacted=self.config.is_compacted)

    def pick(self, rng: Random) -> TopicPartition:
        return rng.choice((PARTITIONS[0], PARTITIONS[0], PARTITIONS[1]))

    def log(self, topic_partition: TopicPartition) -> Log:
        model = self.models[topic_partition]
        try:
            return self.manager.get_or_create(topic_partition, model.topic_id, self.config, self.now_ms)
        except KafkaError as error:
            self.storage_failed(error)

    def pass_time(self, milliseconds: int) -> None:
        self.now_ms += milliseconds + self.disk.faults.slept_ms
        self.disk.faults.slept_ms = 0
        self.disk.now_ms = self.now_ms

    # Ends and beginnings.

    def new_manager(self) -> LogManager:
        self.runs = True
        if self.compaction is not None:
            self.dead_workers.append(self.compaction)
            self.compaction = None
        return LogManager(
            self.directories,
            default_config=self.config,
            config_for=lambda topic: self.config,
            broker_id=1,
            cluster_id="simulated",
            unique_name=lambda: f"{self.unique():032x}",
            files=self.disk,
        )

    def stop(self) -> None:
        """A clean stop: what is not on the device then was not stopped cleanly."""
        for model in self.models.values():
            model.may_be_flushed = model.end
        self.runs = False
        self.manager.close()
        if self.disk.faults.failed:
            raise StorageFailedError
        for model in self.models.values():
            model.flushed_to(model.end)
            model.checkpointed_start, model.checkpointed_high_watermark = model.start, model.high_watermark

    def start_after_stop(self) -> None:
        """What was there is there, whether the machine lost power in between or not."""
        self._open()
        self._check_after_crash(exactly=True, floors={tp: model.end for tp, model in self.models.items()})

    def kill(self, *, exactly: bool = True) -> None:
        """kill -9 and a new process: the page cache is still there, so nothing that was acknowledged is lost."""
        self.manager.close(clean=False)
        self._open()
        self._check_after_crash(
            exactly=exactly, floors={topic_partition: model.end for topic_partition, model in self.models.items()}
        )

    def cut_power(self, rng: Random) -> None:
        """The machine is gone, and comes back with what was on its device."""
        self.manager.close(clean=False)
        if self.disk.faults.lied:
            self._lose_what_the_device_lied_about(rng)
        if rng.random() < 0.4 and not self.disk.faults.failed:
            # Of a process that was killed, or of a machine that had lost power before.
            self._die_amid_recovery(rng)
        self.disk.power_cut(rng, _manner(rng))
        if rng.random() < 0.2 and not self.disk.faults.failed:
            self._die_amid_recovery(rng)
            self.disk.power_cut(rng, _manner(rng))
        self._open()
        if self.deletion_failed:
            raise HistoryOverError
        self._check_after_crash(
            exactly=False,
            floors={topic_partition: model.flushed for topic_partition, model in self.models.items()},
            power_cut=True,
        )

    def _die_amid_recovery(self, rng: Random) -> None:
        """A start that does not come to its end."""
        death = Fault(Kind.EIO, "any", after=rng.randrange(150), times=-1)
        self.disk.faults.arm(death)
        manager = self.new_manager()
        with suppress(LogDirectoryError, KafkaError):
            manager.open(self.now_ms, recovery_threads=0)
        self.disk.faults.drop(death)
        self.disk.faults.failed = False
        manager.close(clean=False)

    def _lose_what_the_device_lied_about(self, rng: Random) -> None:
        """Only one promise is left: what a client is given was appended there, or its checksum says that it was not."""
        if self.deletion_failed:
            raise HistoryOverError
        self.disk.faults.disarm()
        self.disk.power_cut(rng, Manner(in_order=False, keeps=rng.choice((0.0, 0.5, 0.9))))
        self.manager = self.new_manager()
        self.manager.open(self.now_ms, recovery_threads=0)
        for topic_partition, model in self.models.items():
            try:
                log = self.manager.get_or_create(topic_partition, model.topic_id, self.config, self.now_ms)
                inspection.check_no_invented_records(log, model)
            except KafkaError:
                # Refused as a whole, which is honest too.
                continue
        raise HistoryOverError

    def give_up(self, rng: Random) -> None:
        """A fault took a directory offline: nothing is appended to it any more. Then the broker is started again, or it
        goes on, where the disk was only full.
        """
        chance = rng.random()
        if chance < 0.3:
            self.cut_power(rng)
        elif chance < 0.6 and self._come_back():
            floors = {topic_partition: model.end for topic_partition, model in self.models.items()}
            self._check_after_crash(exactly=False, floors=floors)
        else:
            self.kill(exactly=False)

    def _come_back(self) -> bool:
        """There is room again, and the broker goes on; False where only a start helps."""
        failed = [directory for directory in self.manager.directories if not directory.is_online]
        if not self.runs or not failed or not all(can_come_back(self.manager, directory) for directory in failed):
            return False
        self.disk.faults.disarm()
        for directory in failed:
            reopening = Reopening(self.manager, directory, self.now_ms)
            reopening.recover()
            if not reopening.complete():
                return False
        return True

    def _open(self) -> None:
        """Start the broker; a disk that fails meanwhile is mended, and the broker started again."""
        self.manager = self.new_manager()
        try:
            self.manager.open(self.now_ms, recovery_threads=0)
            if all(directory.is_online for directory in self.manager.directories) and not self._has_unreadable_log():
                self.disk.faults.disarm()
                return
        except LogDirectoryError as error:
            promise(self.disk.faults.failed, f"a start failed though the disk works: {error}")
        promise(self.disk.faults.failed, "a directory is offline though the disk works")
        self.disk.faults.disarm()
        self.manager.close(clean=False)
        self.manager = self.new_manager()
        self.manager.open(self.now_ms, recovery_threads=0)

    def _has_unreadable_log(self) -> bool:
        return any(log.is_failed or not log.is_loaded for log in self.manager.logs()) and self.disk.faults.failed

    # Promises.

    def _check_after_crash(self, *, exactly: bool, floors: dict[TopicPartition, int], power_cut: bool = False) -> None:
        for topic_partition, model in self.models.items():
            log = self.log(topic_partition)
            stored = self.stored(log)
            start, end = model.start, min(floors[topic_partition], model.end_of_batches)
            model.survived(stored, end=log.log_end_offset, floor=floors[topic_partition], exactly=exactly)
            promise(
                log.log_start_offset <= max(start, model.may_begin_at),
                f"{topic_partition} starts at {log.log_start_offset}, not {start}",
            )
            last = model.kept[-1].header.next_offset if model.kept else 0
            promise(
                log.log_end_offset >= max(last, end),
                f"{topic_partition} ends at {log.log_end_offset}; its batches at {last}, it ended at {end}",
            )
            if exactly and not power_cut:
                begin = max(model.first_segment, model.checkpointed_start)
                promise(log.log_start_offset >= begin, f"{topic_partition}: {log.log_start_offset} is before {begin}")
            model.start, model.end = log.log_start_offset, log.log_end_offset
            model.high_watermark = log.high_watermark
            model.first_segment = next(iter(log.segments)).base_offset
            model.flushed = min(model.flushed, model.end)
            model.checkpointed_start = min(model.checkpointed_start, model.start)
            self.check(topic_partition, everything=True)

    def stored(self, log: Log) -> list[bytes]:
        """The batches in the log's files, read without the log's help; each must be whole and sound."""
        found: list[bytes] = []
        for path in inspection.segment_paths(self.disk, log.directory):
            data = self.disk.content(path)
            position = 0
            for position, header in batches(data):
                verify(data, position)
                found.append(data[position : position + header.size])
                position += header.size
            promise(position == len(data), f"{path} ends in {len(data) - position} bytes that are no batch")
        return found

    def check(self, topic_partition: TopicPartition, *, everything: bool = False) -> None:
        """Offsets always; with `everything` each record, time, transaction, epoch and index entry."""
        log, model = self.log(topic_partition), self.models[topic_partition]
        inspection.check_offsets(log, model)
        if everything:
            inspection.check_records(log, model)
            inspection.check_times(log, model)
            inspection.check_transactions(log, model)
            inspection.check_epochs(log, model)
            inspection.check_indexes(self.disk, log)

    def storage_failed(self, error: KafkaError | OSError) -> NoReturn:
        """Raise StorageFailedError for an error that a fault explains; anything else is a broken promise."""
        is_storage = isinstance(error, OSError) or error.code is ErrorCode.KAFKA_STORAGE_ERROR
        promise(is_storage and self.disk.faults.failed, f"refused without a cause: {error}")
        raise StorageFailedError from error

    def check_online(self) -> None:
        """StorageFailedError if a directory was taken offline."""
        if any(not directory.is_online for directory in self.manager.directories):
            promise(self.disk.faults.failed, "a directory is offline though the disk works")
            raise StorageFailedError
