"""Taking over what another broker wrote: partition directories copied into a data directory of kwire's own.

The source is only read. The copy gets the source's broker id and cluster id, its checkpoints and its clean-shutdown
marker, and a metadata store in which every topic is registered, so that `kwire start --data-dir COPY` serves it all.

A data directory says nothing of its topics' settings: Kafka keeps those in ZooKeeper or in KRaft's log. So that no
retention deletes what was just copied, topics are kept for ever (`retention.ms=-1`) unless told otherwise; those that
Kafka's log cleaner knows stay compacted; internal topics have the settings that every broker gives them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from kwire.clock import Clock
from kwire.cluster.controller.changes import TopicCreated, operations
from kwire.cluster.controller.internal_topics import internal_topic
from kwire.cluster.embedded_store import METADATA_FILE_NAME, EmbeddedStore
from kwire.cluster.metadata_cache import PartitionImage, TopicImage
from kwire.cluster.producer_ids import BLOCK_SIZE
from kwire.cluster.registration import ensure_cluster_id, ensure_persistent_paths
from kwire.cluster.store import SetData
from kwire.cluster.znodes import ProducerIdBlock, ProducerIdBlockZnode
from kwire.config.broker_config import BrokerConfig
from kwire.config.topic_config import validate_topic_overrides
from kwire.errors import KafkaError
from kwire.ids import ZERO_UUID, TopicPartition, uuid_text
from kwire.log.checkpoints import (
    CLEAN_SHUTDOWN,
    CLEAN_SHUTDOWN_TEXT,
    CLEANER_POINTS,
    HIGH_WATERMARKS,
    LOG_STARTS,
    META_PROPERTIES,
    RECOVERY_POINTS,
    render_meta_properties,
    render_offsets,
)
from kwire.log.directory import RECOVERING
from kwire.log.files import FILES, Files
from kwire.log.offline.catalog import (
    QUORUM_TOPIC,
    DataDirectory,
    StoredPartition,
    read_checkpoint,
    topic_id_of,
    topics_of,
)
from kwire.log.offline.stored_file import StoredFile
from kwire.log.offline.verify_directory import is_held, was_stopped_cleanly

_COPY_BYTES = 1 << 20
_MANAGED_TOPICS = frozenset(("__consumer_offsets", "__transaction_state"))


class AdoptionError(Exception):
    """The directories cannot be taken over; the text says why and what helps."""


class AdoptedTopic(NamedTuple):
    """A topic as it was registered; `missing` partitions were in no source directory and begin empty."""

    name: str
    partition_count: int
    missing: list[int]
    overrides: dict[str, str]


class Adoption(NamedTuple):
    """What was done."""

    target: str
    broker_id: int
    cluster_id: str
    was_clean: bool
    topics: list[AdoptedTopic]
    copied_bytes: int


def adopt(
    sources: Sequence[DataDirectory],
    target: Path,
    clock: Clock,
    *,
    only: Iterable[str] = (),
    overrides: Mapping[str, Mapping[str, str]] | None = None,
    max_producer_id: int = -1,
    on_copied: Callable[[StoredPartition], None] = lambda stored: None,
    files: Files = FILES,
) -> Adoption:
    """Copy the sources' topics (or `only` those named) into the new directory `target` and register them.

    `overrides` are settings by topic, beside the ones chosen here. `max_producer_id` is the largest id that the
    transaction coordinators gave out. Raises AdoptionError before anything is written, OSError while copying: `target`
    is then no data directory yet, and can be removed.
    """
    chosen = set(only)
    topics = {
        name: stored
        for name, stored in topics_of(stored for source in sources for stored in source.partitions).items()
        if name != QUORUM_TOPIC and (not chosen or name in chosen)
    }
    broker_id, cluster_id = _identity(sources)
    _check(sources, target, topics, chosen)
    images = [_image(name, stored, broker_id, (overrides or {}).get(name, {})) for name, stored in topics.items()]
    target.mkdir(parents=True, exist_ok=True)
    copied_bytes = 0
    for stored in (stored for partitions in topics.values() for stored in partitions):
        copied_bytes += _copy_directory(stored.directory, target / str(stored.partition), files)
        on_copied(stored)
    taken = {stored.partition for group in topics.values() for stored in group}
    for name in (RECOVERY_POINTS, HIGH_WATERMARKS, LOG_STARTS, CLEANER_POINTS):
        offsets: dict[TopicPartition, int] = {}
        for source in sources:
            # Others that it names have moved away, or are on their way here: what it says is not of their logs.
            here = taken & {stored.partition for stored in source.partitions}
            found = read_checkpoint(source.path, name)
            offsets |= {partition: found[partition] for partition in here & found.keys()}
        files.replace_file(str(target / name), render_offsets(offsets), sync=True)
    largest = max([max_producer_id, *(stored.max_producer_id for group in topics.values() for stored in group)])
    asyncio.run(_register(target / METADATA_FILE_NAME, clock, cluster_id, images, broker_id, largest))
    if any(os.path.exists(os.path.join(source.path, RECOVERING)) for source in sources):
        files.create_file(str(target / RECOVERING), b"")
    was_clean = all(was_stopped_cleanly(source.path) for source in sources)
    if was_clean:
        files.replace_file(str(target / CLEAN_SHUTDOWN), CLEAN_SHUTDOWN_TEXT, sync=True)
    for directory in (target, target.parent):
        files.sync_directory(str(directory))
    # Last: with it the directory is a broker's, also after a power cut.
    properties = render_meta_properties(broker_id, cluster_id, clock.now_ms())
    files.replace_file(str(target / META_PROPERTIES), properties, sync=True)
    return Adoption(
        str(target),
        broker_id,
        cluster_id,
        was_clean,
        [_adopted(image, topics[image.name]) for image in images],
        copied_bytes,
    )


def _check(
    sources: Sequence[DataDirectory], target: Path, topics: Mapping[str, list[StoredPartition]], chosen: set[str]
) -> None:
    if unknown := sorted(chosen - topics.keys()):
        raise AdoptionError(f"topic {unknown[0]} is in none of the directories")
    if not topics:
        raise AdoptionError("there is no topic in the directories")
    for source in sources:
        if is_held(source.path):
            raise AdoptionError(f"a broker runs on {source.path}; stop it first: files that change cannot be copied")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise AdoptionError(f"{target} is not empty; name a directory that does not exist yet")
    for name, partitions in topics.items():
        numbers = [stored.partition.partition for stored in partitions]
        if len(set(numbers)) != len(numbers):
            raise AdoptionError(f"a partition of {name} is in two of the directories; leave one of them out")
        ids = {stored.topic_id for stored in partitions} - {ZERO_UUID}
        if len(ids) > 1:
            raise AdoptionError(
                f"the partitions of {name} have different topic ids ({', '.join(map(uuid_text, sorted(ids)))}): some "
                "belong to a deleted topic; move their directories away, or name the topics to take"
            )


def _identity(sources: Sequence[DataDirectory]) -> tuple[int, str]:
    """The broker id and cluster id that the sources share; AdoptionError when they differ."""
    brokers = {source.broker_id for source in sources if source.broker_id >= 0}
    clusters = {source.cluster_id for source in sources if source.cluster_id}
    if len(brokers) > 1 or len(clusters) > 1:
        raise AdoptionError("the directories belong to different brokers or clusters; take them one at a time")
    return min(brokers, default=1), min(clusters, default="") or uuid_text(os.urandom(16))


def _image(name: str, partitions: list[StoredPartition], broker_id: int, overrides: Mapping[str, str]) -> TopicImage:
    by_index = {stored.partition.partition: stored for stored in partitions}
    images = []
    for index in range(max(by_index) + 1):
        epochs = by_index[index].epochs if index in by_index else []
        # The epoch goes on from the source's, or the next leader would write batches of an epoch that is there.
        images.append(PartitionImage(index, broker_id, epochs[-1][0] if epochs else 0, [broker_id], [broker_id], 0))
    settings = {**_settings(name, partitions), **overrides}
    try:
        validate_topic_overrides(settings)
    except KafkaError as error:
        raise AdoptionError(f"topic {name}: {error}") from None
    topic_id = topic_id_of(partitions)
    return TopicImage(name, os.urandom(16) if topic_id == ZERO_UUID else topic_id, images, settings)


def _settings(name: str, partitions: list[StoredPartition]) -> dict[str, str]:
    if name in _MANAGED_TOPICS:
        overrides = internal_topic(name, BrokerConfig({})).overrides
        return {option: value for option, value in overrides.items() if value is not None}
    if name.startswith("__") or any(stored.is_compacted for stored in partitions):
        return {"cleanup.policy": "compact"}
    return {"retention.ms": "-1"}


def _adopted(image: TopicImage, partitions: list[StoredPartition]) -> AdoptedTopic:
    there = {stored.partition.partition for stored in partitions}
    missing = [partition.index for partition in image.partitions if partition.index not in there]
    return AdoptedTopic(image.name, len(image.partitions), missing, dict(image.overrides))


async def _register(
    path: Path, clock: Clock, cluster_id: str, images: list[TopicImage], broker_id: int, max_producer_id: int
) -> None:
    """A metadata store that knows the topics, and that gives out no producer id for a second time."""
    store = EmbeddedStore(path, clock)
    try:
        session = store.session()
        await ensure_persistent_paths(session)
        await ensure_cluster_id(session, cluster_id)
        for image in images:
            await session.multi(operations(TopicCreated(image), 0))
        if max_producer_id >= 0:
            first = max_producer_id - max_producer_id % BLOCK_SIZE
            block = ProducerIdBlock(broker_id, first, first + BLOCK_SIZE - 1)
            await session.multi([SetData(ProducerIdBlockZnode.PATH, ProducerIdBlockZnode.encode(block))])
    finally:
        store.close()


def _copy_directory(source: str, target: Path, files: Files) -> int:
    """Copy the files of a partition directory to the device, holes left out; bytes copied. Raises OSError."""
    target.mkdir()
    copied = 0
    for name in sorted(os.listdir(source)):
        with StoredFile(os.path.join(source, name)) as file, open(target / name, "wb") as out:
            end = file.data_end()
            for position in range(0, end, _COPY_BYTES):
                copied += out.write(file.read(position, min(_COPY_BYTES, end - position)))
            out.truncate(file.size)
            out.flush()
            os.fsync(out.fileno())
    files.sync_directory(str(target))
    return copied
