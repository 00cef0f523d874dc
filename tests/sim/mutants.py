"""`python -m tests.sim.mutants [WORD ..]`: one-line bugs planted in a copy of `kwire/log`; each must be caught.

A mutant is caught by the simulator, or else by the unit tests of `tests/log`; in a copy without one neither finds
anything. One that lives shows a missing test. With words, only those are planted whose description has one of them.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
SEEDS = 400
TIMEOUT_S = 900


class Mutant(NamedTuple):
    """What is wrong, in which module of `kwire/log`, and the line before and after."""

    bug: str
    module: str
    right: str
    wrong: str


MUTANTS = (
    Mutant("checksums are not looked at in recovery", "recovery", "not is_sound(batch, header)", "0"),
    Mutant(
        "recovery begins one segment too late",
        "recovery",
        "            slot -= 1\n    for at",
        "            pass\n    for at",
    ),
    Mutant("a torn tail is not cut off", "segment", "        if size != self.size:\n", "        if False:\n"),
    Mutant("a hole between segments is kept", "recovery", "gap == 0 or gap >=", "gap >= 0 or gap >="),
    Mutant("a log ends at a hole once it is not compacted any more", "recovery", " or _was_compacted(log))", ")"),
    Mutant(
        "what is compacted is announced too late",
        "cleaner_manager",
        "            self.announce(filthiest.log, filthiest.first_dirty_offset)\n",
        "            pass\n",
    ),
    Mutant(
        "what is compacted is not known on the device", "cleaner_manager", "offsets, sync=True)", "offsets, sync=False)"
    ),
    Mutant(
        "a hole that was taken is not noted",
        "upkeep",
        "                    self.cleaner.announce(log, 0)\n",
        "                    pass\n",
    ),
    Mutant("segments that overlap are kept", "recovery", "if gap == 0 or", "if gap <= 0 or"),
    Mutant(
        "a flush leaves the batches unsynced",
        "segment_files",
        "        if self.size:\n            self._files.sync(self.file)\n",
        "        if self.size:\n            pass\n",
    ),
    Mutant(
        "a flush leaves new names unsynced",
        "log_state",
        "            self.files.sync_directory(self.directory)\n",
        "            pass\n",
    ),
    Mutant("a flush leaves the aborted transactions unsynced", "segment_files", "        self.txn_index.sync()\n", ""),
    Mutant(
        "the clean-stop marker's removal is not synced",
        "directory",
        "            self.files.sync_directory(self.path)\n            self._lost_marker",
        "            self._lost_marker",
    ),
    Mutant("a truncation is not synced", "retention", "    log.segments.active.sync()\n", ""),
    Mutant("a truncation leaves the recovery point", "retention", "    log.lower_recovery_point(end)\n", ""),
    Mutant(
        "an emptied log forgets where it goes on",
        "retention",
        "        log.roll(now_ms).create_files()\n",
        "        log.roll(now_ms)\n",
    ),
    Mutant("retention goes beyond the high watermark", "retention", "if end <= log.high_watermark)", "if True)"),
    Mutant("retention by size keeps too little", "retention", "        surplus -= segment.size\n", ""),
    Mutant("a failed write is not taken back", "segment", "            self._cut_back(position)\n", ""),
    Mutant("truncation leaves the time index", "segment", "        self.time_index.truncate_to(offset)\n", ""),
    Mutant(
        "a read begins one batch too late",
        "segment",
        "if header.last_offset >= offset:",
        "if header.last_offset > offset:",
    ),
    Mutant(
        "producers are not replayed behind a snapshot",
        "recovery",
        "header.has_producer and header.base_offset >= offset",
        "False",
    ),
    Mutant(
        "a gap in the sequence is taken",
        "producer_state",
        "elif first != last + 1 and not",
        "elif first < last + 1 and not",
    ),
    Mutant("an aborted transaction is not indexed", "log", "if completed.is_aborted:", "if False:"),
    Mutant(
        "epochs are not written before the recovery point passes them",
        "log_state",
        "            self.epochs.write()  # Recovery does",
        "            pass  # Recovery does",
    ),
    Mutant(
        "an index without its segment stays", "listing", "            segment_files.add(offset)\n", "            pass\n"
    ),
    Mutant(
        "a snapshot beyond the end is believed",
        "recovery",
        "    else:\n        journal.drop_above",
        "    elif 0:\n        journal.drop_above",
    ),
    Mutant("a half-made index is believed", "recovery", "                trusts_indexes\n", "                True\n"),
    Mutant(
        "records are given up for unsynced ones", "cleaner", "            source.sync(base)\n", "            pass\n"
    ),
    Mutant(
        "tombstones go at once", "record_filter", "if horizon is not None and self._job.now_ms >= horizon:", "if True:"
    ),
    Mutant(
        "aborted records are compacted into", "cleaner", "    if transactions.is_aborted(header):\n", "    if False:\n"
    ),
    Mutant("an older record of a key stays", "record_filter", "base + delta >= offset for delta", "True for delta"),
    Mutant(
        "a swap half done is not completed",
        "swap",
        "    for name, _, _ in sorted(swaps",
        "    for name, _, _ in sorted(swaps[:0]",
    ),
    Mutant(
        "a deleted topic may come back", "manager", "    self._files.sync_directory(directory.path)\n", "    pass\n"
    ),
)


def planted(mutant: Mutant, directory: Path) -> Path:
    """A copy of the sources and tests with the bug in it."""
    root = directory / "copy"
    shutil.rmtree(root, ignore_errors=True)
    for name in ("kwire", "tests/log", "tests/sim"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("__init__.py", "archives.py", "histories.py"):
        shutil.copy(ROOT / "tests" / name, root / "tests")
    path = root / "kwire/log" / f"{mutant.module}.py"
    source = path.read_text()
    assert mutant.right in source, f"{mutant.bug}: {mutant.module}.py has changed"
    changed = source.replace(mutant.right, mutant.wrong, 1)
    compile(changed, path, "exec")  # What is no Python would be caught by anything.
    path.write_text(changed)
    return root


def caught_by(mutant: Mutant, directory: Path) -> str:
    """Who catches it: "simulator: <promise>", "unit tests: <test>", or "nobody"."""
    root = planted(mutant, directory)
    command = [sys.executable, "-m", "tests.sim", "--seeds", str(SEEDS), "--as-is"]
    simulated = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if simulated.returncode:
        return f"simulator: {(simulated.stdout or simulated.stderr).splitlines()[0]}"
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests/log"]
    tested = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    failed = [line for line in tested.stdout.splitlines() if line.startswith(("FAILED tests", "ERROR tests"))]
    return f"unit tests: {failed[0].split()[1]}" if failed else "nobody"


def main(words: Sequence[str]) -> int:
    alive = 0
    unharmed = Mutant("nothing is wrong", "manager", "", "")
    mutants = [mutant for mutant in MUTANTS if not words or any(word in mutant.bug for word in words)]
    with tempfile.TemporaryDirectory() as directory:
        catcher = caught_by(unharmed, Path(directory))
        if catcher != "nobody":
            print(f"without any planted bug: {catcher}")
            return 2
        for mutant in mutants:
            catcher = caught_by(mutant, Path(directory))
            alive += catcher == "nobody"
            print(f"{mutant.bug:52} {mutant.module:15} {catcher[:110]}", flush=True)
    print(f"{len(mutants)} planted, {len(mutants) - alive} caught")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
