"""`kwire log import`: what is in a data directory that Apache Kafka wrote, and a copy of it that kwire serves."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from kwire.cli.offline_options import reads_files
from kwire.cli.output import show_json, show_table
from kwire.ids import ZERO_UUID, uuid_text
from kwire.log.offline.catalog import (
    QUORUM_TOPIC,
    DataDirectory,
    StoredPartition,
    read_directory,
    topic_id_of,
    topics_of,
)
from kwire.log.offline.coordinator_state import Group, Transaction, read_groups, read_transactions
from kwire.log.offline.verify_directory import is_data_directory, is_held, was_stopped_cleanly

_EPILOG = """\b
kwire log import /var/lib/kafka/data                        what is in it
kwire log import /var/lib/kafka/data --to ~/copy            copy it ...
kwire start --data-dir ~/copy                               ... and serve it
kwire log import /d1 /d2 --to ~/copy --topic orders -c orders:retention.ms=604800000

A data directory does not hold the settings of its topics. In the copy, topics that Kafka compacted are compacted, and
all others are kept for ever (retention.ms=-1) unless --config says otherwise."""


@click.command("import", epilog=_EPILOG)
@click.argument("directories", nargs=-1, required=True, metavar="DIR...")
@click.option("--to", "target", metavar="DATA_DIR", help="Copy everything into this new data directory for kwire.")
@click.option("--topic", "only", multiple=True, metavar="NAME", help="Only this topic; repeatable.")
@click.option(
    "-c",
    "--config",
    "settings",
    multiple=True,
    metavar="TOPIC:OPTION=VALUE",
    help="A setting for a topic of the copy; repeatable.",
)
@click.option("-p", "--partitions", "by_partition", is_flag=True, help="A line for each partition, not for each topic.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON instead of tables.")
@reads_files
def import_directory(
    directories: tuple[str, ...],
    target: str | None,
    only: tuple[str, ...],
    settings: tuple[str, ...],
    by_partition: bool,
    as_json: bool,
) -> None:
    """Look into data directories of Apache Kafka (or kwire), which are never changed.

    Shows topics with offsets, sizes and epochs, groups with their committed offsets, and transactions in doubt. Several
    directories are those of one broker.
    """
    overrides = _overrides(settings)
    if overrides and target is None:
        raise click.UsageError("--config is for the copy: give --to")
    sources = [_source(directory) for directory in directories]
    partitions = [
        stored
        for source in sources
        for stored in source.partitions
        if stored.partition.topic != QUORUM_TOPIC and (not only or stored.partition.topic in only)
    ]
    groups = read_groups(_directories_of(sources, "__consumer_offsets"))
    transactions = read_transactions(_directories_of(sources, "__transaction_state"))
    if target is not None:
        _copy(sources, target, only, overrides, transactions, as_json)
    elif as_json:
        show_json(_as_json(sources, partitions, groups, transactions))
    else:
        _show(sources, partitions, groups, transactions, by_partition)


def _source(directory: str) -> DataDirectory:
    if not os.path.isdir(directory):
        raise click.UsageError(f"{directory} is no directory")
    if not is_data_directory(directory):
        raise click.UsageError(f"{directory} is no data directory: neither meta.properties nor TOPIC-NUMBER is in it")
    return read_directory(directory)


def _directories_of(sources: list[DataDirectory], topic: str) -> list[str]:
    return [stored.directory for source in sources for stored in source.partitions if stored.partition.topic == topic]


def _overrides(settings: tuple[str, ...]) -> dict[str, dict[str, str]]:
    overrides: dict[str, dict[str, str]] = {}
    for text in settings:
        name, equals, value = text.partition("=")
        topic, colon, option = name.rpartition(":")
        if not equals or not colon or not topic:
            raise click.UsageError(f"--config {text}: write TOPIC:OPTION=VALUE")
        overrides.setdefault(topic, {})[option] = value
    return overrides


# --- looking ----------------------------------------------------------------------------------------------------------


def _show(
    sources: list[DataDirectory],
    partitions: list[StoredPartition],
    groups: dict[str, Group],
    transactions: dict[str, Transaction],
    by_partition: bool,
) -> None:
    for source in sources:
        click.echo(f"{source.path}: {_whose(source)}")
    click.echo()
    if by_partition:
        show_table(
            ["topic", "partition", "start", "end", "high watermark", "segments", "bytes", "epoch", "open transactions"],
            [_partition_row(stored) for stored in partitions],
        )
    else:
        show_table(
            ["topic", "topic id", "partitions", "records at most", "segments", "bytes"],
            [_topic_row(name, stored) for name, stored in topics_of(partitions).items()],
        )
    if groups:
        ends = {stored.partition: stored.end_offset for stored in partitions}
        click.echo()
        show_table(
            ["group", "type", "generation", "members", "topic", "partition", "committed", "lag"],
            [row for name in sorted(groups) for row in _group_rows(groups[name], ends)],
        )
    in_doubt = _in_doubt(partitions, transactions)
    if in_doubt:
        click.echo()
        show_table(["transaction in doubt", "state", "producer id", "partition", "since offset"], in_doubt)


def _whose(source: DataDirectory) -> str:
    if source.broker_id < 0 and not source.cluster_id:
        return "says not whose it is"
    mode = "KRaft" if source.is_quorum else "ZooKeeper mode"
    if is_held(source.path):
        state = "a broker runs on it"
    else:
        state = "stopped cleanly" if was_stopped_cleanly(source.path) else "not stopped cleanly"
    return f"broker {source.broker_id} of cluster {source.cluster_id} ({mode}), {state}"


def _topic_row(name: str, partitions: list[StoredPartition]) -> list[object]:
    topic_id = topic_id_of(partitions)
    return [
        name,
        None if topic_id == ZERO_UUID else uuid_text(topic_id),
        len(partitions),
        sum(stored.end_offset - stored.start_offset for stored in partitions),
        sum(stored.segment_count for stored in partitions),
        sum(stored.log_bytes for stored in partitions),
    ]


def _partition_row(stored: StoredPartition) -> list[object]:
    return [
        *stored.partition,
        stored.start_offset,
        stored.end_offset,
        stored.high_watermark,
        stored.segment_count,
        stored.log_bytes,
        stored.epochs[-1][0] if stored.epochs else None,
        len(stored.open_transactions) or None,
    ]


def _group_rows(group: Group, ends: dict[Any, int]) -> list[list[object]]:
    head: list[object] = [group.name, group.kind, group.generation if group.generation >= 0 else None, group.members]
    if not group.offsets:
        return [[*head, None, None, None, None]]
    return [
        [*head, *partition, committed.offset, ends[partition] - committed.offset if partition in ends else None]
        for partition, committed in sorted(group.offsets.items())
    ]


def _in_doubt(partitions: list[StoredPartition], transactions: dict[str, Transaction]) -> list[list[object]]:
    """What the coordinators have not decided, and what partitions hold open, joined by producer id."""
    rows: list[list[object]] = []
    names = {transaction.producer_id: transaction for transaction in transactions.values()}
    told = set()
    for stored in partitions:
        for offset, producer_id in stored.open_transactions.items():
            transaction = names.get(producer_id)
            told.add(producer_id)
            rows.append(
                [
                    transaction.transactional_id if transaction else None,
                    transaction.state if transaction else "no coordinator knows it",
                    producer_id,
                    str(stored.partition),
                    offset,
                ]
            )
    for transaction in transactions.values():
        if transaction.is_in_doubt and transaction.producer_id not in told:
            where = ", ".join(map(str, transaction.partitions)) or None
            rows.append([transaction.transactional_id, transaction.state, transaction.producer_id, where, None])
    return rows


def _as_json(
    sources: list[DataDirectory],
    partitions: list[StoredPartition],
    groups: dict[str, Group],
    transactions: dict[str, Transaction],
) -> dict[str, Any]:
    return {
        "directories": [
            {
                "path": source.path,
                "broker_id": source.broker_id,
                "cluster_id": source.cluster_id,
                "kraft": source.is_quorum,
                "clean": was_stopped_cleanly(source.path),
                "in_use": is_held(source.path),
            }
            for source in sources
        ],
        "topics": [
            {
                "name": name,
                "topic_id": uuid_text(topic_id_of(stored)),
                "partitions": [_partition_json(entry) for entry in stored],
            }
            for name, stored in topics_of(partitions).items()
        ],
        "groups": [
            {
                "group": name,
                "type": group.kind,
                "generation": group.generation,
                "members": group.members,
                "offsets": [
                    {"topic": partition.topic, "partition": partition.partition, **committed._asdict()}
                    for partition, committed in sorted(group.offsets.items())
                ],
            }
            for name, group in sorted(groups.items())
        ],
        "transactions": [
            {**transaction._asdict(), "partitions": list(map(str, transaction.partitions))}
            for transaction in transactions.values()
        ],
    }


def _partition_json(stored: StoredPartition) -> dict[str, Any]:
    return {
        "partition": stored.partition.partition,
        "directory": stored.directory,
        "start_offset": stored.start_offset,
        "end_offset": stored.end_offset,
        "high_watermark": stored.high_watermark,
        "segments": stored.segment_count,
        "bytes": stored.log_bytes,
        "leader_epochs": [{"epoch": epoch, "start_offset": start} for epoch, start in stored.epochs],
        "open_transactions": [
            {"first_offset": offset, "producer_id": producer_id}
            for offset, producer_id in stored.open_transactions.items()
        ],
    }


# --- copying ----------------------------------------------------------------------------------------------------------


def _copy(
    sources: list[DataDirectory],
    target: str,
    only: tuple[str, ...],
    overrides: dict[str, dict[str, str]],
    transactions: dict[str, Transaction],
    as_json: bool,
) -> None:
    from kwire.adoption import AdoptionError, adopt
    from kwire.clock import SystemClock

    largest = max((transaction.producer_id for transaction in transactions.values()), default=-1)
    path = Path(target).expanduser().absolute()
    try:
        done = adopt(sources, path, SystemClock(), only=only, overrides=overrides, max_producer_id=largest)
    except AdoptionError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        show_json({**done._asdict(), "topics": [topic._asdict() for topic in done.topics]})
        return
    show_table(
        ["topic", "partitions", "missing", "settings"],
        [
            [
                topic.name,
                topic.partition_count,
                ",".join(map(str, topic.missing)),
                ", ".join(f"{name}={value}" for name, value in topic.overrides.items()),
            ]
            for topic in done.topics
        ],
    )
    click.echo(f"copied {len(done.topics)} topics, {done.copied_bytes:,} bytes; the source is as it was")
    if not done.was_clean:
        click.echo("the source was not stopped cleanly: the first start recovers the copy's logs")
    click.echo(f"serve it with: kwire start --data-dir {done.target}")
