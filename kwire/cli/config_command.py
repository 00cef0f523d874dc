"""`kwire config`: show and alter the options of topics, brokers and groups, and show the profiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from kwire.cli import admin
from kwire.cli.client import Client
from kwire.cli.command_options import json_option, pairs, with_client
from kwire.cli.output import show_json, show_table
from kwire.config.entry import SOURCE_DEFAULT, SOURCE_NAMES


@click.group()
def config() -> None:
    """Show and alter the options of topics and brokers."""


def _resource(function: Callable[..., None]) -> Callable[..., None]:
    """The four options that say whose configuration is meant."""
    function = click.option("--group", metavar="ID", help="The options of a group.")(function)
    function = click.option("--cluster", is_flag=True, help="The dynamic defaults of all brokers.")(function)
    function = click.option("--broker", type=int, metavar="NUMBER", help="The options of a broker.")(function)
    return click.option("--topic", metavar="NAME", help="The options of a topic.")(function)


@config.command()
@_resource
@click.option("--all", "everything", is_flag=True, help="Show options at their default too.")
@click.option("--doc", "documentation", is_flag=True, help="Show what each option is for.")
@click.option("--profile", is_flag=True, help="Show what the dev profile of `kwire start` changes; asks no broker.")
@json_option
@with_client
def describe(
    client: Client, everything: bool, documentation: bool, profile: bool, as_json: bool, **resource: Any
) -> None:
    """Show the options of a topic, a broker, the cluster's defaults, or a group."""
    if profile:
        _show_profile(as_json)
        return
    kind, name = _resource_name(**resource)
    lines = admin.describe_config(client, kind, name, documentation=documentation)
    shown = [line for line in lines if everything or line.source != SOURCE_DEFAULT]
    if as_json:
        show_json([_as_json(line, documentation) for line in shown])
        return
    headings = ["option", "value", "set by", "read only", *(["what it is for"] if documentation else [])]
    show_table(headings, [_row(line, documentation) for line in shown])
    if not everything and len(shown) < len(lines):
        click.echo(f"{len(lines) - len(shown)} more options are at their default (--all shows them)")


@config.command()
@_resource
@click.option("-s", "--set", "values", multiple=True, metavar="OPTION=VALUE", help="Set an option; repeatable.")
@click.option("-d", "--delete", "deleted", multiple=True, metavar="OPTION", help="Unset an option; repeatable.")
@with_client
def alter(client: Client, values: list[str], deleted: list[str], **resource: Any) -> None:
    """Set or unset options of a topic, a broker, the cluster's defaults, or a group."""
    kind, name = _resource_name(**resource)
    options = pairs(values, "--set")
    if not options and not deleted:
        raise click.UsageError("give --set or --delete")
    admin.alter_config(client, kind, name, set_values=options, delete=deleted)
    click.echo(f"altered {len(options) + len(deleted)} options of {name or 'the cluster'}")


def _row(line: admin.ConfigLine, documentation: bool) -> list[object]:
    value = "(secret)" if line.sensitive else line.value
    row: list[object] = [line.name, value, SOURCE_NAMES.get(line.source, line.source), "yes" if line.read_only else ""]
    return [*row, line.documentation] if documentation else row


def _as_json(line: admin.ConfigLine, documentation: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": line.name,
        "value": line.value,
        "source": SOURCE_NAMES.get(line.source, str(line.source)),
        "read_only": line.read_only,
        "sensitive": line.sensitive,
        "synonyms": [
            {"name": name, "value": value, "source": SOURCE_NAMES.get(source, str(source))}
            for name, value, source in line.synonyms
        ],
    }
    return {**shown, "documentation": line.documentation} if documentation else shown


def _resource_name(topic: str | None, broker: int | None, cluster: bool, group: str | None) -> tuple[int, str]:
    """Resource type and name; exactly one must be given. Raises click.UsageError."""
    given = [
        (admin.TOPIC, topic) if topic is not None else None,
        (admin.BROKER, str(broker)) if broker is not None else None,
        (admin.BROKER, "") if cluster else None,
        (admin.GROUP, group) if group is not None else None,
    ]
    named = [resource for resource in given if resource is not None]
    if len(named) != 1:
        raise click.UsageError("give one of --topic, --broker, --cluster and --group")
    kind, name = named[0]
    return kind, str(name)


def _show_profile(as_json: bool) -> None:
    from kwire.config.broker_options import BROKER_OPTIONS
    from kwire.config.profiles import DEV

    if as_json:
        show_json([{**row._asdict(), "kafka": BROKER_OPTIONS[row.option].default} for row in DEV])
        return
    rows = [(row.option, BROKER_OPTIONS[row.option].default, row.value, row.reason) for row in DEV]
    show_table(["option", "kafka", "dev", "why"], rows)
