"""`kwire consume`: the records of topics as lines."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

import click

from kwire.cli.client import Client, ClientError
from kwire.cli.command_options import with_client
from kwire.cli.fetcher import Consumed, Fetcher
from kwire.cli.group_member import GroupMember
from kwire.cli.offsets import EARLIEST, LATEST, list_offsets, parse_time_ms, ranges
from kwire.cli.progress import Progress
from kwire.cli.record_input import ENCODINGS
from kwire.cli.record_output import json_formatter, template_formatter
from kwire.ids import TopicPartition


@click.command()
@click.argument("topics", nargs=-1, required=True, metavar="TOPIC...")
@click.option("--from-beginning", is_flag=True, help="Begin with the oldest record; in a group, if it has no offset.")
@click.option("--offset", type=int, metavar="N", help="Begin at this offset; -N is N records before the end.")
@click.option("--timestamp", metavar="TIME", help="Begin at a time: milliseconds since 1970, or 2026-01-31T12:00.")
@click.option("-p", "--partition", "numbers", type=click.IntRange(0), multiple=True, help="Only these; repeatable.")
@click.option("-g", "--group", metavar="ID", help="Share the partitions within a group, and commit offsets.")
@click.option("-n", "--max-messages", type=click.IntRange(1), metavar="N", help="Stop after N records.")
@click.option("-e", "--exit-at-end", is_flag=True, help="Stop at what was the end when the command began.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line, as `kwire produce --json` reads them.")
@click.option(
    "-f",
    "--format",
    "template",
    metavar="TEXT",
    default="{value}\\n",
    show_default=True,
    help="What to write: {topic} {partition} {offset} {timestamp} {key} {value} {headers}, \\t, \\n.",
)
@click.option("--encoding", type=click.Choice(ENCODINGS), default="text", help="How keys and values are written.")
@click.option("-q", "--quiet", is_flag=True, help="No summary on standard error.")
@with_client
def consume(
    client: Client,
    topics: tuple[str, ...],
    from_beginning: bool,
    offset: int | None,
    timestamp: str | None,
    numbers: tuple[int, ...],
    group: str | None,
    max_messages: int | None,
    exit_at_end: bool,
    as_json: bool,
    template: str,
    encoding: str,
    quiet: bool,
) -> None:
    """Write the records of TOPIC to standard output, new ones only unless told where to begin."""
    if sum((from_beginning, offset is not None, timestamp is not None)) > 1:
        raise click.UsageError("give one of --from-beginning, --offset and --timestamp")
    if group is not None and (numbers or offset is not None or timestamp is not None):
        raise click.UsageError("a group's partitions and offsets are its own; see kwire group reset-offsets")
    line = json_formatter(encoding) if as_json else template_formatter(template, encoding)
    partitions = _partitions(client, topics, numbers)
    ends = {tp: end for tp, (_, end) in ranges(client, partitions).items()} if exit_at_end else None
    # SIGTERM, too, shall leave the group and say the counts.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    run = _Run(line, max_messages, ends, Progress("read", quiet=quiet))
    try:
        if group is not None:
            run.as_member(client, GroupMember(client, group, topics, from_beginning=from_beginning))
        else:
            run.until_done(Fetcher(client, _positions(client, partitions, from_beginning, offset, timestamp)))
    finally:
        signal.signal(signal.SIGTERM, before)
        run.finish()


def _partitions(client: Client, topics: tuple[str, ...], numbers: tuple[int, ...]) -> list[TopicPartition]:
    partitions = []
    for name in topics:
        known = [partition.number for partition in client.topic(name).partitions]
        for number in numbers or known:
            if number not in known:
                raise ClientError(f"topic {name} has no partition {number}, only 0 to {len(known) - 1}")
            partitions.append(TopicPartition(name, number))
    return partitions


def _positions(
    client: Client, partitions: list[TopicPartition], from_beginning: bool, offset: int | None, timestamp: str | None
) -> dict[TopicPartition, int]:
    """Where to begin in each partition."""
    if offset is not None:
        if offset >= 0:
            return dict.fromkeys(partitions, offset)
        return {tp: max(first, end + offset) for tp, (first, end) in ranges(client, partitions).items()}
    if timestamp is not None:
        found = list_offsets(client, dict.fromkeys(partitions, parse_time_ms(timestamp)))
        later = [tp for tp, position in found.items() if position < 0]
        return found | (list_offsets(client, dict.fromkeys(later, LATEST)) if later else {})
    return list_offsets(client, dict.fromkeys(partitions, EARLIEST if from_beginning else LATEST))


class _Run:
    """One run of the command: counts, writes, and knows when it is over."""

    def __init__(
        self,
        line: Callable[[Consumed], bytes],
        max_messages: int | None,
        ends: dict[TopicPartition, int] | None,
        progress: Progress,
    ) -> None:
        self._line = line
        self._max_messages = max_messages
        self._ends = ends
        self._progress = progress
        self._records = 0
        self._bytes = 0

    def until_done(self, fetcher: Fetcher) -> None:
        """Read until the wanted count or the end is reached."""
        while not self._is_over(fetcher):
            self._write(fetcher.poll(), fetcher)

    def as_member(self, client: Client, member: GroupMember) -> None:
        """The same as a member of a group, which is left in the end with its offsets committed."""
        fetcher = Fetcher(client, {})
        written: dict[TopicPartition, int] = {}
        joined = False
        try:
            while not (joined and self._is_over(fetcher)):
                positions = member.poll(written)
                if positions is not None:
                    fetcher.assign(positions)
                    joined = True
                else:
                    self._write(fetcher.poll(), fetcher)
                written = dict(fetcher.positions)
        except KeyboardInterrupt:
            client.close()  # an answer may be half read; leaving the group takes fresh connections
            raise
        finally:
            member.leave(written)

    def finish(self) -> None:
        """The summary."""
        self._progress.finish(self._records, self._bytes)

    def _is_over(self, fetcher: Fetcher) -> bool:
        if self._max_messages is not None and self._records >= self._max_messages:
            return True
        ends = self._ends
        return ends is not None and all(offset >= ends.get(tp, 0) for tp, offset in fetcher.positions.items())

    def _write(self, batch: list[Consumed], fetcher: Fetcher) -> None:
        left = len(batch) if self._max_messages is None else self._max_messages - self._records
        for consumed in batch[left:]:
            # Not written, so not read: a group must be given it again. The first one left over counts.
            tp = TopicPartition(consumed.topic, consumed.partition)
            fetcher.positions[tp] = min(fetcher.positions[tp], consumed.record.offset)
        shown = batch[:left]
        if shown:
            sys.stdout.buffer.write(b"".join(map(self._line, shown)))
            sys.stdout.buffer.flush()
        self._records += len(shown)
        self._bytes += sum(len(c.record.key or b"") + len(c.record.value or b"") for c in shown)
        self._progress.update(self._records, self._bytes)
