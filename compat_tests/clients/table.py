"""The matrix as one table of text."""

from __future__ import annotations

from collections.abc import Sequence

from compat_tests.clients.catalog import Client
from compat_tests.clients.checks import Cell


def _shown(cell: Cell | None) -> str:
    if cell is None:
        return "FAIL"
    if cell.outcome == "ok":
        return f"ok {cell.seconds:.1f}"
    return cell.outcome


def print_table(
    clients: Sequence[Client],
    checks: Sequence[str],
    readers: Sequence[str],
    cells: Sequence[Cell],
    versions: dict[str, str],
) -> int:
    """Print clients x checks with seconds, the failures and the reasons for n/a; returns the number of failures.

    A cell that is missing, because its client could not be installed or started, counts as failed.
    """
    found = {(cell.client, cell.check): cell for cell in cells}
    columns = [*checks, *readers]
    heads = [*checks, *(f"by {reader}" for reader in readers)]
    rows = [[client.name, *(_shown(found.get((client.name, column))) for column in columns)] for client in clients]
    rows = [["written with / checked", *heads], *rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())

    print("\nok and seconds; `by X`: client X reads what this row's client wrote, all codecs. Versions:")
    print("; ".join(f"{name} {version}" for name, version in sorted(versions.items())))
    print("\nn/a or left out, and why:")
    for client in clients:
        for what, reason in client.cannot.items():
            print(f"  {client.name}: {what}: {reason}")
    failures = [cell for cell in cells if cell.outcome == "FAIL"]
    if failures:
        print("\nfailures:")
    for cell in failures:
        print(f"  {cell.client} {cell.check}: {cell.text}")
    shown = [row[1:] for row in rows[1:]]
    failed = sum(text == "FAIL" for row in shown for text in row)
    passed = sum(text.startswith("ok") for row in shown for text in row)
    print(f"\n{passed} passed, {failed} failed")
    return failed
