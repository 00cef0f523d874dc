"""`kwire dump-log`: what is in the files of a data directory, with the flags and the text of Kafka's kafka-dump-log."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from kwire.cli.offline_options import reads_files
from kwire.log.offline.dump import file_lines
from kwire.log.offline.dump_index import IndexDump
from kwire.log.offline.dump_log import NO_LIMIT, LogDump
from kwire.log.offline.lines import Line
from kwire.log.offline.record_decoders import (
    GROUP_RECORDS,
    SHARE_STATE_RECORDS,
    TRANSACTION_RECORDS,
    VALUE_DECODERS,
    Decoder,
    coordinator_decoder,
    plain_decoder,
)

STRING_DECODER = "org.apache.kafka.tools.api.StringDecoder"
_EPILOG = """\b
kwire dump-log data/orders-0/00000000000000000000.log            one line per batch
kwire dump-log --print-data-log data/orders-0/*.log              one line per record
kwire dump-log --offsets-decoder data/__consumer_offsets-*/*.log
kwire dump-log --index-sanity-check data/orders-0/*.index
kwire dump-log --json data/orders-0/*.log | jq 'select(.type == "record")'

With --json each line is an object. Its "type" says what it describes: file, log, batch, record, offset index entry,
time index entry, aborted transaction, producer, leader epoch, checkpoint entry, partition metadata, property, invalid
bytes, complaint. The other names are those of the text. Nothing is ever written to the files."""


@click.command("dump-log", epilog=_EPILOG)
@click.argument("paths", nargs=-1, metavar="[FILE]...")
@click.option(
    "--files", metavar="FILE,FILE...", help="The files, with commas between them, as Kafka's tool takes them."
)
@click.option("--print-data-log", is_flag=True, help="Show keys and values. Any decoder implies it.")
@click.option("--deep-iteration", is_flag=True, help="Show records, not only batches. --print-data-log implies it.")
@click.option("--skip-record-metadata", is_flag=True, help="Of records show key and value only.")
@click.option("--index-sanity-check", is_flag=True, help="Only tell whether a starting broker would keep the index.")
@click.option("--verify-index-only", is_flag=True, help="Only tell where an index is wrong; show no entries.")
@click.option(
    "--max-message-size",
    type=click.IntRange(1),
    default=5 * 1024 * 1024,
    show_default=True,
    metavar="BYTES",
    help="Largest batch that an index entry may point at.",
)
@click.option(
    "--max-bytes",
    type=click.IntRange(0),
    default=NO_LIMIT,
    metavar="BYTES",
    help="Read no more than so much of each log. [default: all]",
)
@click.option(
    "--key-decoder-class",
    is_flag=False,
    flag_value=STRING_DECODER,
    metavar="[CLASS]",
    help="How keys are shown: StringDecoder, IntegerDecoder, LongDecoder, DefaultDecoder (hex).",
)
@click.option(
    "--value-decoder-class",
    is_flag=False,
    flag_value=STRING_DECODER,
    metavar="[CLASS]",
    help="How values are shown; as for keys.",
)
@click.option("--offsets-decoder", is_flag=True, help="The records are those of __consumer_offsets.")
@click.option("--transaction-log-decoder", is_flag=True, help="The records are those of __transaction_state.")
@click.option("--share-group-state-decoder", is_flag=True, help="The records are those of __share_group_state.")
@click.option("--cluster-metadata-decoder", is_flag=True, hidden=True)
@click.option("--remote-log-metadata-decoder", is_flag=True, hidden=True)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object per line.")
@reads_files
def dump_log(paths: tuple[str, ...], files: str | None, as_json: bool, **options: Any) -> None:
    """Show what is in the files of a data directory: logs, indexes, producer snapshots, checkpoints.

    The text is that of Apache Kafka's kafka-dump-log; what is wrong goes to standard error.
    """
    names = [*paths, *(files.split(",") if files else [])]
    if not names:
        raise click.UsageError("give the files to show, or --files")
    for name in ("cluster_metadata_decoder", "remote_log_metadata_decoder"):
        if options[name]:
            flag = "--" + name.replace("_", "-")
            raise click.UsageError(f"{flag}: kwire has no such records; Kafka's own kafka-dump-log shows them")
    decode = _decoder(**options)
    log = LogDump(
        deep=options["deep_iteration"] or decode is not None,
        decode=decode,
        skip_record_metadata=options["skip_record_metadata"],
        max_bytes=options["max_bytes"],
    )
    index = IndexDump(options["index_sanity_check"], options["verify_index_only"], options["max_message_size"])
    complaints: list[Line] = []
    write = sys.stdout.write
    for name in names:
        try:
            for line in file_lines(name.strip(), log, index):
                if as_json:
                    write(json.dumps(line.as_json(), ensure_ascii=False) + "\n")
                elif line.kind == "complaint" and not line.as_text().startswith("Ignoring"):
                    complaints.append(line)
                elif line.kind == "complaint":
                    click.echo(line.as_text(), err=True)
                else:
                    write(line.as_text() + "\n")
        except ValueError:
            raise click.ClickException(f"{name}: a segment's file is named by its base offset") from None
    sys.stdout.flush()
    # Behind everything, as Kafka's tool has it: a complaint among a million lines would not be seen.
    for line in complaints:
        click.echo(line.as_text(), err=True)


def _decoder(
    print_data_log: bool,
    offsets_decoder: bool,
    transaction_log_decoder: bool,
    share_group_state_decoder: bool,
    key_decoder_class: str | None,
    value_decoder_class: str | None,
    **others: object,
) -> Decoder | None:
    """What the flags ask for; None when keys and values stay hidden. Raises click.UsageError."""
    if offsets_decoder:
        return coordinator_decoder(GROUP_RECORDS)
    if transaction_log_decoder:
        return coordinator_decoder(TRANSACTION_RECORDS)
    if share_group_state_decoder:
        return coordinator_decoder(SHARE_STATE_RECORDS)
    if not (print_data_log or key_decoder_class or value_decoder_class):
        return None
    chosen = []
    for flag, name in (("--key-decoder-class", key_decoder_class), ("--value-decoder-class", value_decoder_class)):
        short = (name or STRING_DECODER).rpartition(".")[2]
        if short not in VALUE_DECODERS:
            raise click.UsageError(f"{flag} {name}: kwire loads no Java classes; it has {', '.join(VALUE_DECODERS)}")
        chosen.append(short)
    return plain_decoder(*chosen)
