"""`python -m compat_tests.disk`: kwire's data directories against Apache Kafka's own code, as one table.

Both write the same, each is given what the other has written, and Kafka's tools read what kwire wrote. The last line is
`N passed, N failed`; the exit status is 1 when anything failed, jars that cannot be installed included.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from compat_tests.clients.install import default_cache, install
from compat_tests.disk import apache, compaction, proofs
from compat_tests.disk.report import Report


def main() -> int:
    parser = argparse.ArgumentParser(prog="compat_tests.disk", description=__doc__)
    parser.add_argument("--only", action="append", choices=proofs.ALL, help="only these proofs; may be repeated")
    parser.add_argument("--folder", type=Path, help="for all directories and logs, and kept (a temporary folder)")
    parser.add_argument(
        "--compaction-records", type=int, default=compaction.DEFAULT_RECORDS, help="for that proof (%(default)s)"
    )
    options = parser.parse_args()
    problems = install(apache.INSTALLERS, default_cache())
    if problems:
        for name, problem in problems.items():
            print(f"cannot install {name}: {problem}", file=sys.stderr)
        print("0 passed, 1 failed")
        return 1
    began = time.monotonic()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="kwire-disk-"))
    folder.mkdir(parents=True, exist_ok=True)
    report = Report()
    proofs.run(options.only or proofs.ALL, folder, report, compaction_records=options.compaction_records)
    print(f"{time.monotonic() - began:.0f} s; directories and logs in {folder}\n")
    holds = report.print()
    if holds and not options.folder:
        shutil.rmtree(folder)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
