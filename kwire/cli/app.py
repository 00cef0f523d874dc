"""The root of the command line: which command lives in which module, imported when the command is called."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

COMMANDS: Final = {
    "start": ("kwire.cli.start_command", "start", "Start a broker."),
    "topic": ("kwire.cli.topic_command", "topic", "Create, list, describe, alter and delete topics."),
    "produce": ("kwire.cli.produce_command", "produce", "Write lines or JSON objects to a topic."),
    "consume": ("kwire.cli.consume_command", "consume", "Read the records of a topic."),
    "group": ("kwire.cli.group_command", "group", "List, describe, reset and delete consumer groups."),
    "txn": ("kwire.cli.txn_command", "txn", "List, describe and abort transactions."),
    "config": ("kwire.cli.config_command", "config", "Show and alter the options of topics and brokers."),
    "log-dirs": ("kwire.cli.log_dirs_command", "log_dirs", "Show log directories, move partitions between them."),
    "dump-log": ("kwire.cli.dump_log_command", "dump_log", "Show what is in the files of a data directory."),
    "log": ("kwire.cli.log_command", "log", "Check the files of a data directory; look into Kafka's."),
}
"""Command name -> (module, object, the line in `kwire --help`)."""


class LazyCommands(click.Group):
    """A group whose commands are imported by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from kwire.config.option import nearest

            ctx.fail(f"No such command '{args[0]}'{nearest(args[0], list(COMMANDS))}.")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])


@click.command(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="kwire", prog_name="kwire")
def kwire() -> None:
    """A Kafka wire-protocol-compatible broker, and tools that speak to any Kafka broker.

    \b
    kwire start                       a broker on port 9092
    kwire topic create orders -p 3    a topic
    kwire produce orders              lines from standard input
    kwire consume orders --from-beginning
    """
