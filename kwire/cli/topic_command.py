"""`kwire topic`: create, list, describe, alter and delete topics."""

from __future__ import annotations

from typing import Any

import click

from kwire.cli import admin
from kwire.cli.client import Client, ClientError, RequestFailed, Topic, check, error_name
from kwire.cli.command_options import INT16, INT32, json_option, pairs, with_client
from kwire.cli.offsets import ranges
from kwire.cli.output import show_json, show_table
from kwire.errors import ErrorCode
from kwire.ids import TopicPartition, uuid_text


@click.group()
def topic() -> None:
    """Create, list, describe, alter and delete topics."""


@topic.command()
@click.argument("name")
@click.option("-p", "--partitions", type=INT32, default=-1, help="How many partitions. [default: the broker's]")
@click.option("-r", "--replication-factor", type=INT16, default=-1, help="How many replicas. [default: the broker's]")
@click.option("-c", "--config", "configs", multiple=True, metavar="OPTION=VALUE", help="A topic option; repeatable.")
@click.option("--if-not-exists", is_flag=True, help="An existing topic is no failure.")
@with_client
def create(
    client: Client, name: str, partitions: int, replication_factor: int, configs: list[str], if_not_exists: bool
) -> None:
    """Create the topic NAME."""
    options = pairs(configs, "--config")
    try:
        admin.create_topic(client, name, partitions=partitions, replication_factor=replication_factor, configs=options)
    except RequestFailed as failure:
        if failure.code is ErrorCode.TOPIC_ALREADY_EXISTS and if_not_exists:
            click.echo(f"topic {name} exists already")
            return
        raise
    click.echo(f"created topic {name}")


@topic.command("list")
@click.option("--internal", is_flag=True, help="List Kafka's internal topics too.")
@json_option
@with_client
def list_topics(client: Client, internal: bool, as_json: bool) -> None:
    """List the topics of the cluster."""
    topics = [t for _, t in sorted(client.cluster(None).topics.items()) if internal or not t.is_internal]
    if as_json:
        show_json([_summary(entry) for entry in topics])
        return
    rows = [(t.name, len(t.partitions), _replication_factor(t), "yes" if t.is_internal else "") for t in topics]
    show_table(["topic", "partitions", "replicas", "internal"], rows)


@topic.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@json_option
@with_client
def describe(client: Client, names: tuple[str, ...], as_json: bool) -> None:
    """Show partitions, offsets and the options set on topics; all topics without NAME."""
    cluster = client.cluster(names or None)
    for name, code in cluster.errors.items():
        check(code, None, f"topic {name}")
    described = [_description(client, entry) for _, entry in sorted(cluster.topics.items())]
    if as_json:
        show_json(described)
        return
    for number, entry in enumerate(described):
        if number:
            click.echo()
        _show_description(entry)


def _description(client: Client, entry: Topic) -> dict[str, Any]:
    led = [p for p in entry.partitions if p.leader >= 0]
    offsets = ranges(client, [TopicPartition(entry.name, p.number) for p in led])
    lines = admin.describe_config(client, admin.TOPIC, entry.name)
    partitions = []
    for partition in entry.partitions:
        first, end = offsets.get(TopicPartition(entry.name, partition.number), (None, None))
        partitions.append(
            {
                "partition": partition.number,
                "leader": partition.leader,
                "leader_epoch": partition.leader_epoch,
                "replicas": partition.replicas,
                "isr": partition.isr,
                "first_offset": first,
                "end_offset": end,
            }
        )
    configs = {line.name: line.value for line in lines if line.source == 1}
    return {**_summary(entry), "configs": configs, "partition_list": partitions}


def _show_description(entry: dict[str, Any]) -> None:
    click.echo(f"topic {entry['name']}  id {entry['id']}")
    click.echo(f"{entry['partitions']} partitions, {entry['replication_factor']} replicas")
    for name, value in entry["configs"].items():
        click.echo(f"{name}={value}")
    rows = [
        (
            line["partition"],
            line["leader"] if line["leader"] >= 0 else "none",
            ",".join(map(str, line["replicas"])),
            ",".join(map(str, line["isr"])),
            line["first_offset"],
            line["end_offset"],
        )
        for line in entry["partition_list"]
    ]
    show_table(["partition", "leader", "replicas", "in sync", "first", "end"], rows)


@topic.command()
@click.argument("name")
@click.option("-p", "--partitions", type=INT32, help="The new count of partitions; it can only grow.")
@click.option(
    "-c", "--config", "configs", multiple=True, metavar="OPTION=VALUE", help="Set a topic option; repeatable."
)
@click.option("-d", "--delete-config", "deleted", multiple=True, metavar="OPTION", help="Unset one; repeatable.")
@with_client
def alter(client: Client, name: str, partitions: int | None, configs: list[str], deleted: list[str]) -> None:
    """Give the topic NAME more partitions or other options."""
    options = pairs(configs, "--config")
    if partitions is None and not options and not deleted:
        raise click.UsageError("give --partitions, --config or --delete-config")
    client.topic(name)
    if options or deleted:
        admin.alter_config(client, admin.TOPIC, name, set_values=options, delete=deleted)
    if partitions is not None:
        admin.add_partitions(client, name, partitions)
    click.echo(f"altered topic {name}")


@topic.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@with_client
def delete(client: Client, names: tuple[str, ...]) -> None:
    """Delete topics and all their records."""
    failures = []
    for name, code, message in admin.delete_topics(client, names):
        if code:
            failures.append(f"topic {name} cannot be deleted: {message or ''} ({error_name(code)})")
        else:
            click.echo(f"deleted topic {name}")
    if failures:
        raise ClientError("\n".join(failures))


def _summary(entry: Topic) -> dict[str, Any]:
    return {
        "name": entry.name,
        "id": uuid_text(entry.topic_id),
        "internal": entry.is_internal,
        "partitions": len(entry.partitions),
        "replication_factor": _replication_factor(entry),
    }


def _replication_factor(entry: Topic) -> int:
    return max((len(partition.replicas) for partition in entry.partitions), default=0)
