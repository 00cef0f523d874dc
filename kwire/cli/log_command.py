"""`kwire log`: verify a data directory, and look into one that Apache Kafka wrote."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from typing import Any, NoReturn

import click

from kwire.cli.log_import import import_directory
from kwire.cli.offline_options import reads_files
from kwire.log.offline.verify_directory import (
    DirectoryVerification,
    is_data_directory,
    is_partition_directory,
    twice_held,
    was_stopped_cleanly,
)
from kwire.log.offline.verify_partition import verify_partition
from kwire.log.offline.verify_report import DAMAGE, NOTE, Finding, PartitionReport

_VERIFY_EPILOG = """\b
kwire log verify data                  a data directory: an entry of log.dirs
kwire log verify data/orders-0 --deep  one partition, every record

Exit code: 0 nothing is damaged (warnings and notes may be there), 1 damage was found, 2 nothing could be checked.
With --json each line is an object of "type" finding, partition or summary."""


@click.group()
def log() -> None:
    """Check the files of a data directory; look into Kafka's. No broker is needed."""


@log.command(epilog=_VERIFY_EPILOG)
@click.argument("directories", nargs=-1, required=True, metavar="DIR...")
@click.option("--deep", is_flag=True, help="Read every record too, not only every batch.")
@click.option("--notes/--no-notes", default=True, help="Show what is worth knowing though nothing is wrong.")
@click.option("-v", "--verbose", is_flag=True, help="Show a line for each partition, not only for damaged ones.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object per line.")
@reads_files
def verify(directories: tuple[str, ...], deep: bool, notes: bool, verbose: bool, as_json: bool) -> None:
    """Check everything in data directories or partition directories, and change nothing.

    Checksums, offsets, indexes, snapshots, epochs, checkpoints, names: each damage is named with its file and position,
    what it means, and what can be saved. Directories of a running broker may be checked; what it is writing may look
    unfinished then, which is a warning, no damage.
    """
    output = _Output(notes, verbose, as_json)
    for directory in directories:
        if not os.path.isdir(directory):
            _refuse(f"{directory} is no directory")
        if is_partition_directory(directory):
            clean = was_stopped_cleanly(os.path.dirname(os.path.abspath(directory)))
            output.partition(verify_partition(directory, clean=clean, deep=deep))
        elif is_data_directory(directory):
            verification = DirectoryVerification(directory, deep=deep)
            for report in verification.partitions():
                output.partition(report)
            output.findings(verification.finish())
        else:
            _refuse(
                f"{directory} is neither a data directory (meta.properties, partition directories) nor a "
                "partition directory (TOPIC-NUMBER with .log files)"
            )
    output.findings(twice_held(output.reports))
    output.summary()
    if output.counts[DAMAGE]:
        sys.exit(1)


log.add_command(import_directory)


def _refuse(text: str) -> NoReturn:
    """Say why nothing was checked, with exit code 2."""
    raise click.UsageError(text)


class _Output:
    """Findings as they come, the summary at the end."""

    def __init__(self, notes: bool, verbose: bool, as_json: bool) -> None:
        self._notes = notes
        self._verbose = verbose
        self._as_json = as_json
        self.counts: Counter[str] = Counter()
        self.reports: list[PartitionReport] = []

    def partition(self, report: PartitionReport) -> None:
        """One partition's findings, and what can be saved of it."""
        self.reports.append(report)
        self.findings(report.findings)
        if self._as_json:
            _show(report.as_json())
        elif self._verbose or report.is_damaged:
            where = f"offsets {report.start_offset} to {report.end_offset}, {report.segment_count} segments"
            click.echo(f"{report.name}: {where}: {report.salvage()}")

    def findings(self, findings: list[Finding]) -> None:
        """Show and count them."""
        for finding in findings:
            self.counts[finding.severity] += 1
            if finding.severity == NOTE and not self._notes:
                continue
            if self._as_json:
                _show(finding.as_json())
            else:
                at = "" if finding.position is None else f" at byte {finding.position}"
                click.echo(f"{finding.severity:<8}{finding.path}{at}: {finding.text}\n        {finding.meaning}")

    def summary(self) -> None:
        """What was checked, and how many findings there are."""
        totals: dict[str, Any] = {
            "partitions": len(self.reports),
            "segments": sum(report.segment_count for report in self.reports),
            "bytes": sum(report.log_bytes for report in self.reports),
            "batches": sum(report.batch_count for report in self.reports),
            "records": sum(report.record_count for report in self.reports),
            "damaged_partitions": sum(report.is_damaged for report in self.reports),
            **{f"{severity}s": self.counts[severity] for severity in ("damage", "warning", "note")},
        }
        if self._as_json:
            _show({"type": "summary", **totals})
            return
        click.echo(
            f"checked {totals['partitions']:,} partitions, {totals['segments']:,} segments, {totals['bytes']:,} bytes, "
            f"{totals['records']:,} records in {totals['batches']:,} batches"
        )
        click.echo(
            f"{self.counts['damage']:,} damages in {totals['damaged_partitions']:,} partitions, "
            f"{self.counts['warning']:,} warnings, {self.counts['note']:,} notes"
        )


def _show(value: dict[str, Any]) -> None:
    click.echo(json.dumps(value, ensure_ascii=False))
