"""Tables of tests: a request by row, a state by column, in each cell what is expected."""

from __future__ import annotations

from typing import Any

from kwire.errors import ErrorCode

Cell = tuple[str, str, str]


def cells(table: str) -> list[Cell]:
    """(request, state, what is expected) of each cell; `-` is not asked. In a request `@` stands for a blank."""
    header, *lines = table.strip().splitlines()
    states = header.split()[1:]
    found = []
    for line in lines:
        request, *answers = line.split()
        found += [
            (request.replace("@", " ").replace("#", "@"), state, answer)
            for state, answer in zip(states, answers, strict=True)
            if answer != "-"
        ]
    return found


def codes_in(trace: list[str]) -> list[str]:
    """The codes that the last line of a trace names which names any."""
    named = ([word for word in line.replace(":", " ").split() if word in ErrorCode.__members__] for line in trace[::-1])
    return next((codes for codes in named if codes), [])


def check(player: Any, request: str, expected: str, names: dict[str, str]) -> None:
    """The answer to a request is the code of this short name, or `NONE`, or `ok` for one without a code.

    One that is refused brings nothing to the log, and the state is as it was for whoever asks.
    """
    batches, before = len(player.log), player.state_for_tests()
    codes = codes_in(player.play(request))
    if expected in names:
        assert codes == [names[expected]]
        assert len(player.log) == batches
        assert player.state_for_tests() == before
    else:
        assert codes == {"NONE": ["NONE"], "ok": []}[expected]
