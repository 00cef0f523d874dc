"""`kwire produce`: lines of a file or of standard input become records."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from kwire.cli.client import Client
from kwire.cli.command_options import pairs, with_client
from kwire.cli.producer import Producer, codec_number
from kwire.cli.progress import Progress
from kwire.cli.record_input import ENCODINGS, InputRecord, json_parser, line_parser

READ_BYTES = 1 << 20
ACKS = {"all": -1, "-1": -1, "1": 1, "0": 0}


@click.command()
@click.argument("topic")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("-k", "--key-separator", metavar="TEXT", help="What stands between key and value; \\t is a tab.")
@click.option("-H", "--header", "headers", multiple=True, metavar="NAME=VALUE", help="On every record; repeatable.")
@click.option("-p", "--partition", type=click.IntRange(0), help="Send everything to this partition.")
@click.option(
    "-z",
    "--compression",
    type=click.Choice(["none", "gzip", "snappy", "lz4", "zstd"]),
    default="none",
    show_default=True,
    help="How batches are compressed.",
)
@click.option(
    "-a", "--acks", type=click.Choice(list(ACKS)), default="all", show_default=True, help="Who must have a batch."
)
@click.option("--json", "as_json", is_flag=True, help="Lines are JSON objects, as `kwire consume --json` writes them.")
@click.option("--null", "null_text", metavar="TEXT", help="A key or value that is this text is null.")
@click.option("--encoding", type=click.Choice(ENCODINGS), default="text", help="How keys and values are written.")
@click.option("-q", "--quiet", is_flag=True, help="No summary on standard error.")
@with_client
def produce(
    client: Client,
    topic: str,
    file: Path | None,
    key_separator: str | None,
    headers: list[str],
    partition: int | None,
    compression: str,
    acks: str,
    as_json: bool,
    null_text: str | None,
    encoding: str,
    quiet: bool,
) -> None:
    """Write each line of FILE, or of standard input, as a record to TOPIC.

    Lines typed at a terminal or trickling through a pipe are sent at once; a file goes in large batches.
    """
    fixed = tuple((name, value.encode()) for name, value in pairs(headers, "--header").items())
    parse: Callable[[bytes], InputRecord]
    if as_json:
        parse = json_parser(encoding=encoding, headers=fixed)
    else:
        separator = _unescaped(key_separator) if key_separator is not None else None
        if separator == b"":
            raise click.UsageError("--key-separator: an empty text stands nowhere")
        null = null_text.encode() if null_text is not None else None
        parse = line_parser(key_separator=separator, null=null, encoding=encoding, headers=fixed)
    try:
        descriptor = os.open(file, os.O_RDONLY) if file is not None and str(file) != "-" else 0
    except OSError as error:
        raise click.ClickException(f"{file} cannot be read: {error.strerror}") from None
    producer = Producer(client, topic, acks=ACKS[acks], compression=codec_number(compression))
    progress = Progress("sent", quiet=quiet)
    try:
        for lines in line_chunks(descriptor):
            for line in lines:
                record = parse(line)
                producer.send(record if partition is None else record._replace(partition=partition))
            if not _more_is_there(descriptor):
                producer.flush()
            progress.update(producer.records, producer.bytes)
    finally:
        # What came before a line that cannot be read, or before Ctrl-C, was asked for and is sent.
        producer.finish()
        progress.finish(producer.records, producer.bytes)


def line_chunks(descriptor: int) -> Iterator[list[bytes]]:
    """Lines without their ends (LF or CR LF), as many at a time as a read gives; the last may lack its end."""
    rest = b""
    while chunk := os.read(descriptor, READ_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        if lines:
            yield [line[:-1] if line.endswith(b"\r") else line for line in lines]
    if rest:
        yield [rest]


def _more_is_there(descriptor: int) -> bool:
    """Whether a read would not wait; a regular file never waits."""
    ready, _, _ = select.select([descriptor], [], [], 0)
    return bool(ready)


def _unescaped(text: str) -> bytes:
    return text.replace("\\t", "\t").replace("\\n", "\n").replace("\\0", "\0").encode()
