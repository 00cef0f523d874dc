"""`kwire group`: list, describe, reset and delete groups of consumers."""

from __future__ import annotations

from typing import Any

import click

from kwire.cli.client import Client, ClientError
from kwire.cli.command_options import json_option, with_client
from kwire.cli.group_offsets import commit_offsets, committed_offsets
from kwire.cli.groups import SHARE_PROTOCOL, DescribedGroup, delete_group, describe_group, list_groups
from kwire.cli.offsets import EARLIEST, LATEST, list_offsets, parse_time_ms, ranges
from kwire.cli.output import show_json, show_table
from kwire.cli.share_groups import share_lag_lines
from kwire.ids import TopicPartition


@click.group()
def group() -> None:
    """List, describe, reset and delete consumer groups."""


@group.command("list")
@json_option
@with_client
def list_command(client: Client, as_json: bool) -> None:
    """List the groups of the cluster."""
    groups = list_groups(client)
    if as_json:
        show_json([entry._asdict() for entry in groups])
        return
    rows = [(g.group_id, g.state, g.type, g.protocol_type, g.coordinator) for g in groups]
    show_table(["group", "state", "type", "protocol", "coordinator"], rows)


@group.command()
@click.argument("group_id", metavar="GROUP")
@json_option
@with_client
def describe(client: Client, group_id: str, as_json: bool) -> None:
    """Show the members of GROUP, their partitions, and how far behind each is."""
    described = describe_group(client, group_id)
    is_shared = described.protocol_type == SHARE_PROTOCOL
    lines = share_lag_lines(client, group_id) if is_shared else _lag_lines(client, described)
    if as_json:
        members = [{**m._asdict(), "assignment": [tp._asdict() for tp in m.assignment]} for m in described.members]
        show_json({**described._asdict(), "members": members, "partitions": lines})
        return
    assignor = f", assignor {described.assignor}" if described.assignor else ""
    click.echo(f"group {group_id}  {described.state}{assignor}")
    click.echo(f"coordinator {described.coordinator}, {len(described.members)} members")
    for member in described.members:
        instance = f" ({member.instance_id})" if member.instance_id else ""
        tasks = f", {member.tasks}" if member.tasks else ""
        click.echo(f"member {member.member_id}{instance} of {member.client_id} at {member.host.lstrip('/')}{tasks}")
    rows = [tuple(line.values()) for line in lines]
    columns = ["start", "lag"] if is_shared else ["committed", "end", "lag", "member"]
    show_table(["topic", "partition", *columns], rows)


def _lag_lines(client: Client, described: DescribedGroup) -> list[dict[str, Any]]:
    """One line per partition that has an offset or an owner."""
    owners = {tp: member.member_id for member in described.members for tp in member.assignment}
    committed = committed_offsets(client, described.group_id)
    existing = set(client.cluster({tp.topic for tp in (*owners, *committed)}).topics) if owners or committed else set()
    partitions = sorted({*owners, *(tp for tp, offset in committed.items() if offset >= 0)})
    ends = ranges(client, [tp for tp in partitions if tp.topic in existing])
    lines = []
    for tp in partitions:
        offset = committed.get(tp, -1)
        end = ends[tp][1] if tp in ends else None
        lines.append(
            {
                "topic": tp.topic,
                "partition": tp.partition,
                "committed": offset if offset >= 0 else None,
                "end": end,
                "lag": max(0, end - offset) if end is not None and offset >= 0 else None,
                "member": owners.get(tp),
            }
        )
    return lines


@group.command("reset-offsets")
@click.argument("group_id", metavar="GROUP")
@click.option("-t", "--topic", "topics", multiple=True, metavar="TOPIC[:PARTITION]", help="Only these; repeatable.")
@click.option("--to-earliest", is_flag=True, help="To the oldest record.")
@click.option("--to-latest", is_flag=True, help="Behind the newest record.")
@click.option("--to-offset", type=click.IntRange(0), metavar="N", help="To an offset.")
@click.option("--to-timestamp", metavar="TIME", help="To a time: milliseconds since 1970, or 2026-01-31T12:00.")
@click.option("--shift-by", type=int, metavar="N", help="N records on from the committed offset, or back if negative.")
@click.option("--dry-run", is_flag=True, help="Show the new offsets, do not commit them.")
@json_option
@with_client
def reset_offsets(
    client: Client, group_id: str, topics: tuple[str, ...], dry_run: bool, as_json: bool, **where: Any
) -> None:
    """Move the committed offsets of GROUP, which must have no members.

    Without --topic, the partitions that have a committed offset are moved. Offsets outside of a partition are brought
    to its nearest end.
    """
    if sum(value is not None and value is not False for value in where.values()) != 1:
        raise click.UsageError("give one of --to-earliest, --to-latest, --to-offset, --to-timestamp and --shift-by")
    committed = {tp: offset for tp, offset in committed_offsets(client, group_id).items() if offset >= 0}
    partitions = _named_partitions(client, topics) if topics else sorted(committed)
    if not partitions:
        raise ClientError(f"group {group_id} has no committed offsets; name a --topic")
    wanted = _new_offsets(client, partitions, committed, **where)
    if not dry_run:
        commit_offsets(client, group_id, wanted)
    if as_json:
        show_json([{**tp._asdict(), "before": committed.get(tp), "after": offset} for tp, offset in wanted.items()])
        return
    rows = [(tp.topic, tp.partition, committed.get(tp), offset) for tp, offset in wanted.items()]
    show_table(["topic", "partition", "before", "after"], rows)


def _named_partitions(client: Client, topics: tuple[str, ...]) -> list[TopicPartition]:
    """The partitions of `topic` or `topic:partition` texts. Raises ClientError."""
    named: list[TopicPartition] = []
    for text in topics:
        name, colon, number = text.rpartition(":")
        if not colon:
            name, number = text, ""
        known = [partition.number for partition in client.topic(name).partitions]
        if number and (not number.isdigit() or int(number) not in known):
            raise ClientError(f"topic {name} has no partition {number}, only 0 to {len(known) - 1}")
        named.extend(TopicPartition(name, n) for n in ([int(number)] if number else known))
    return named


def _new_offsets(
    client: Client,
    partitions: list[TopicPartition],
    committed: dict[TopicPartition, int],
    *,
    to_earliest: bool,
    to_latest: bool,
    to_offset: int | None,
    to_timestamp: str | None,
    shift_by: int | None,
) -> dict[TopicPartition, int]:
    """The offset to commit for each partition, within what it holds."""
    if to_earliest or to_latest:
        return list_offsets(client, dict.fromkeys(partitions, EARLIEST if to_earliest else LATEST))
    bounds = ranges(client, partitions)
    if to_timestamp is not None:
        found = list_offsets(client, dict.fromkeys(partitions, parse_time_ms(to_timestamp)))
        return {tp: offset if offset >= 0 else bounds[tp][1] for tp, offset in found.items()}
    wanted = {}
    for tp in partitions:
        first, end = bounds[tp]
        offset = to_offset if to_offset is not None else committed.get(tp, first) + (shift_by or 0)
        wanted[tp] = min(max(offset, first), end)
    return wanted


@group.command()
@click.argument("group_ids", nargs=-1, required=True, metavar="GROUP...")
@with_client
def delete(client: Client, group_ids: tuple[str, ...]) -> None:
    """Delete groups that have no members, and their offsets."""
    failures = []
    for group_id in group_ids:
        try:
            delete_group(client, group_id)
        except ClientError as failure:
            failures.append(str(failure))
        else:
            click.echo(f"deleted group {group_id}")
    if failures:
        raise ClientError("\n".join(failures))
