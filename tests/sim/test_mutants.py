"""The planted bugs fit the code that they are planted in; that they are caught takes minutes (`tests.sim.mutants`)."""

from __future__ import annotations

import pytest

from tests.sim.mutants import MUTANTS, ROOT, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.bug for mutant in MUTANTS])
def test_it_can_be_planted(mutant: Mutant) -> None:
    source = (ROOT / "kwire/log" / f"{mutant.module}.py").read_text()
    assert mutant.right in source
    assert mutant.right != mutant.wrong
