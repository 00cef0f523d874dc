"""`kwire log-dirs`: what lies in the brokers' log directories, and moves between them (KIP-113)."""

from __future__ import annotations

import click

from kwire.cli.client import Client, ClientError, check
from kwire.cli.command_options import json_option, with_client
from kwire.cli.output import show_json, show_table
from kwire.errors import ErrorCode
from kwire.wire.messages.alter_replica_log_dirs import (
    AlterReplicaLogDir,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirTopic,
)
from kwire.wire.messages.describe_log_dirs import DescribeLogDirsRequest

_HEADINGS = ["broker", "directory", "partition", "bytes", "lag", "state"]


@click.group("log-dirs")
def log_dirs() -> None:
    """Show the brokers' log directories, and move partitions between them."""


@log_dirs.command()
@click.argument("topics", nargs=-1, metavar="[TOPIC]...")
@json_option
@with_client
def describe(client: Client, topics: tuple[str, ...], as_json: bool) -> None:
    """Show every partition of all topics, or of some, with its directory and size."""
    rows: list[list[object]] = []
    for node in sorted(client.cluster([]).brokers):
        for directory in client.broker(node).call(DescribeLogDirsRequest(topics=None)).results:
            if directory.error_code != ErrorCode.NONE:
                rows.append([node, directory.log_dir, None, None, None, ErrorCode(directory.error_code).name])
                continue
            rows += [
                [
                    node,
                    directory.log_dir,
                    f"{topic.name}-{each.partition_index}",
                    each.partition_size,
                    each.offset_lag,
                    "moving here" if each.is_future_key else "",
                ]
                for topic in directory.topics
                if not topics or topic.name in topics
                for each in topic.partitions
            ]
    rows.sort(key=str)
    if as_json:
        show_json([dict(zip(_HEADINGS, row, strict=True)) for row in rows])
    else:
        show_table(_HEADINGS, rows)


@log_dirs.command()
@click.argument("topic")
@click.argument("directory")
@click.option("-p", "--partition", "partitions", type=int, multiple=True, metavar="NUMBER", help="Repeatable.")
@click.option("--broker", type=int, metavar="NUMBER", help="The broker whose replicas move. [default: the leaders]")
@with_client
def move(client: Client, topic: str, directory: str, partitions: tuple[int, ...], broker: int | None) -> None:
    """Move partitions of TOPIC (all, or some) to DIRECTORY while they are used; `describe` shows how far they are."""
    leaders: dict[int, list[int]] = {}
    there_are = client.topic(topic).partitions
    if unknown := set(partitions).difference(each.number for each in there_are):
        raise ClientError(f"topic {topic} has no partition {min(unknown)}")
    for each in there_are:
        if not partitions or each.number in partitions:
            leaders.setdefault(each.leader if broker is None else broker, []).append(each.number)
    for node, indexes in leaders.items():
        wanted = AlterReplicaLogDir(path=directory, topics=[AlterReplicaLogDirTopic(name=topic, partitions=indexes)])
        for result in client.broker(node).call(AlterReplicaLogDirsRequest(dirs=[wanted])).results:
            for answer in result.partitions:
                check(answer.error_code, None, f"{topic}-{answer.partition_index} cannot move to {directory}")
    count = sum(map(len, leaders.values()))
    click.echo(f"{count} partitions of {topic} move to {directory}")
