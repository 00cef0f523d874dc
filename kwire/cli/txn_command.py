"""`kwire txn`: list, describe and abort transactions."""

from __future__ import annotations

import time
from typing import Final

import click

from kwire.cli.client import Client, ClientError
from kwire.cli.command_options import json_option, with_client
from kwire.cli.output import show_json, show_table
from kwire.cli.transactions import (
    describe_transaction,
    fence,
    list_transactions,
    open_producers,
    write_abort_marker,
)
from kwire.ids import TopicPartition

OPEN: Final = "Ongoing"


@click.group()
def txn() -> None:
    """List, describe and abort transactions."""


@txn.command("list")
@click.option("-s", "--state", "states", multiple=True, metavar="STATE", help="Only in this state, e.g. Ongoing.")
@json_option
@with_client
def list_command(client: Client, states: tuple[str, ...], as_json: bool) -> None:
    """List the transactional ids of the cluster."""
    transactions = list_transactions(client, list(states))
    if as_json:
        show_json([entry._asdict() for entry in transactions])
        return
    show_table(["transactional id", "state", "producer id", "coordinator"], transactions)


@txn.command()
@click.argument("transactional_id", metavar="ID")
@json_option
@with_client
def describe(client: Client, transactional_id: str, as_json: bool) -> None:
    """Show the transaction of ID: its state, its producer, its partitions."""
    found = describe_transaction(client, transactional_id)
    if as_json:
        show_json({**found._asdict(), "partitions": [tp._asdict() for tp in found.partitions]})
        return
    open_for = ""
    if found.state == OPEN:
        open_for = f", open for {max(0.0, time.time() - found.started_ms / 1000):.1f} s"
    click.echo(f"transactional id {transactional_id}  {found.state}{open_for}")
    click.echo(f"coordinator {found.coordinator}, timeout {found.timeout_ms / 1000:g} s")
    click.echo(f"producer {found.producer_id}, epoch {found.producer_epoch}")
    if found.partitions:
        show_table(["topic", "partition"], found.partitions)


@txn.command()
@click.argument("transactional_id", metavar="[ID]", required=False)
@click.option("--partition", metavar="TOPIC:PARTITION", help="Where a transaction hangs that no coordinator ends.")
@click.option("--producer-id", type=click.IntRange(0), metavar="N", help="With --partition: whose, if several hang.")
@with_client
def abort(client: Client, transactional_id: str | None, partition: str | None, producer_id: int | None) -> None:
    """Abort the open transaction of ID, and fence its producer.

    A transaction that hangs in a partition although its id knows nothing of it is aborted there with --partition.
    """
    if (transactional_id is None) == (partition is None):
        raise click.UsageError("give either a transactional id or --partition")
    if transactional_id is not None:
        if describe_transaction(client, transactional_id).state != OPEN:
            raise ClientError(f"transactional id {transactional_id} has no open transaction")
        fence(client, transactional_id)
        click.echo(f"aborted the transaction of {transactional_id}")
        return
    name = _partition(partition or "")
    hanging = [p for p in open_producers(client, name) if producer_id in (None, p.producer_id)]
    if not hanging:
        raise ClientError(f"no transaction is open in {partition}")
    if len(hanging) > 1:
        ids = ", ".join(str(producer.producer_id) for producer in hanging)
        raise ClientError(f"several transactions are open in {partition}; choose a --producer-id of {ids}")
    write_abort_marker(client, name, hanging[0])
    click.echo(f"aborted the transaction of producer {hanging[0].producer_id} in {partition}")


def _partition(text: str) -> TopicPartition:
    topic, _, index = text.rpartition(":")
    if not topic or not index.isdigit():
        raise click.UsageError(f"{text!r} is no partition; write topic:number")
    return TopicPartition(topic, int(index))
