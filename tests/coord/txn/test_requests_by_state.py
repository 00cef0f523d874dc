"""Every request in every state of a transactional id: the answer, and that a refused one changes nothing."""

from __future__ import annotations

from itertools import product

import pytest

from kwire.coord.txn.states import NAMES
from kwire.errors import ErrorCode
from tests.coord.tables import cells
from tests.coord.txn.script import Player

BEGIN = ("init a", "add a t-0 v=2")
WAYS: dict[str, tuple[str, ...]] = {
    "none": (),
    "Empty": ("init a",),
    "Ongoing": BEGIN,
    "PrepareCommit": (*BEGIN, "hold", "end a commit v=2"),
    "PrepareAbort": (*BEGIN, "hold", "end a abort v=2"),
    "CompleteCommit": (*BEGIN, "end a commit v=2"),
    "CompleteAbort": (*BEGIN, "end a abort v=2"),
}
"""State -> how to get there; an end by `transaction.version` 2 raises the epoch."""

ENDS = """
state           abort-now                abort-again              commit-now               commit-again
Ongoing         PrepareAbort             PRODUCER_FENCED          PrepareCommit            PRODUCER_FENCED
Empty           PrepareAbort             PRODUCER_FENCED          INVALID_TXN_STATE        PRODUCER_FENCED
CompleteAbort   PrepareAbort             done                     INVALID_TXN_STATE        INVALID_TXN_STATE
CompleteCommit  PrepareAbort             INVALID_TXN_STATE        INVALID_TXN_STATE        done
PrepareAbort    PRODUCER_FENCED          CONCURRENT_TRANSACTIONS  PRODUCER_FENCED          INVALID_TXN_STATE
PrepareCommit   PRODUCER_FENCED          INVALID_TXN_STATE        PRODUCER_FENCED          CONCURRENT_TRANSACTIONS
none            MAPPING                  MAPPING                  MAPPING                  MAPPING
"""
"""The table of `kwire.coord.txn.ending`: *now* with the epoch of the id, *again* with the one before."""

OLDER_ENDS = """
state           abort                    commit
Ongoing         PrepareAbort             PrepareCommit
Empty           INVALID_TXN_STATE        INVALID_TXN_STATE
CompleteAbort   done                     INVALID_TXN_STATE
CompleteCommit  INVALID_TXN_STATE        done
PrepareAbort    CONCURRENT_TRANSACTIONS  INVALID_TXN_STATE
PrepareCommit   INVALID_TXN_STATE        CONCURRENT_TRANSACTIONS
"""
"""The same for clients of before, who keep their epoch."""

OTHERS = """
request                       none     Empty    Ongoing  PrepareCommit PrepareAbort CompleteCommit CompleteAbort
init@a                        given    given    aborts   CONCURRENT    CONCURRENT   given          given
init@a@pid=own@epoch=own      -        given    aborts   CONCURRENT    CONCURRENT   given          given
init@a@pid=own@epoch=77       -        FENCED   aborts   CONCURRENT    CONCURRENT   FENCED         FENCED
init@a@pid=7@epoch=own        -        FENCED   FENCED   FENCED        FENCED       FENCED         FENCED
add@a@t-1@v=2                 MAPPING  taken    taken    CONCURRENT    CONCURRENT   taken          taken
add@a@t-1@v=2@epoch=77        MAPPING  FENCED   FENCED   FENCED        FENCED       FENCED         FENCED
add@a@t-1@v=2@pid=7           MAPPING  MAPPING  MAPPING  MAPPING       MAPPING      MAPPING        MAPPING
verify@a@t-0                  MAPPING  ABORT    there    CONCURRENT    CONCURRENT   ABORT          ABORT
verify@a@t-0@epoch=77         MAPPING  FENCED   FENCED   FENCED        FENCED       FENCED         FENCED
verify@a@t-0@pid=7            MAPPING  MAPPING  MAPPING  MAPPING       MAPPING      MAPPING        MAPPING
end@a@commit@v=2@epoch=77     MAPPING  FENCED   FENCED   FENCED        FENCED       FENCED         FENCED
end@a@commit@v=0@epoch=77     MAPPING  FENCED   FENCED   FENCED        FENCED       FENCED         FENCED
end@a@commit@v=2@pid=7        MAPPING  MAPPING  MAPPING  MAPPING       MAPPING      MAPPING        MAPPING
end@a@commit@v=0@pid=7        MAPPING  MAPPING  MAPPING  MAPPING       MAPPING      MAPPING        MAPPING
"""
"""`aborts`: the answer is CONCURRENT_TRANSACTIONS, and the open transaction is aborted. `-`: not asked."""

CODES = {
    "CONCURRENT": "CONCURRENT_TRANSACTIONS",
    "FENCED": "PRODUCER_FENCED",
    "MAPPING": "INVALID_PRODUCER_ID_MAPPING",
}


def player_in(state: str) -> Player:
    player = Player()
    for line in WAYS[state]:
        player.play(line)
    assert state == "none" or NAMES[player.shard.transactions["a"].state] == state
    return player


def said(player: Player, line: str) -> str:
    """The last line of the trace; a refusal must have left everything as it was."""
    before, batches = dict(player.shard.transactions), len(player.log)
    answer = player.play(line)[-1].removeprefix("a <- ")
    if answer in ErrorCode.__members__ and answer != "NONE" and player.log[batches:]:
        assert answer == "CONCURRENT_TRANSACTIONS"  # An InitProducerId that had to abort first.
    elif answer in ErrorCode.__members__:
        assert player.shard.transactions == before or answer == "NONE"
    return answer


def check_end(player: Player, state: str, line: str, expected: str) -> None:
    if not expected.startswith("Prepare"):
        answer = said(player, line)
        assert "/" in answer if expected == "done" else answer == CODES.get(expected, expected)
        assert state == "none" or NAMES[player.shard.transactions["a"].state] == state
        return
    player.play("hold")
    trace = player.play(line)
    assert trace[0].startswith(f"log a {expected} ")
    assert "/" in trace[-1]


@pytest.mark.parametrize(("state", "end", "expected"), cells(ENDS))
def test_end(state: str, end: str, expected: str) -> None:
    player = player_in(state)
    how, when = end.split("-")
    txn = player.shard.transactions.get("a")
    epoch = 0 if txn is None else txn.producer_epoch - (when == "again")
    check_end(player, state, f"end a {how} v=2 epoch={epoch}", expected)


@pytest.mark.parametrize(("state", "how", "expected"), cells(OLDER_ENDS))
def test_end_of_before(state: str, how: str, expected: str) -> None:
    player = player_in(state)
    epoch = player.shard.transactions["a"].producer_epoch
    check_end(player, state, f"end a {how} v=0 epoch={epoch}", expected)


@pytest.mark.parametrize(("request_", "state", "expected"), cells(OTHERS))
def test_request(request_: str, state: str, expected: str) -> None:
    player = player_in(state)
    batches = len(player.log)
    answer = said(player, request_)
    if expected in CODES:
        assert answer == CODES[expected]
        assert len(player.log) == batches
    elif expected == "aborts":
        assert answer == "CONCURRENT_TRANSACTIONS"
        assert NAMES[player.shard.transactions["a"].state] == "CompleteAbort"
    elif expected == "given":
        assert "/" in answer
        assert NAMES[player.shard.transactions["a"].state] == "Empty"
    elif expected == "taken":
        assert answer == "NONE"
        assert NAMES[player.shard.transactions["a"].state] == "Ongoing"
    else:
        assert answer == {"there": "t-0 NONE", "ABORT": "t-0 TRANSACTION_ABORTABLE"}[expected]
        assert len(player.log) == batches


def test_every_cell_is_asked() -> None:
    states = set(WAYS)
    assert {(state, end) for state, end, _ in cells(ENDS)} == set(
        product(states, ("abort-now", "abort-again", "commit-now", "commit-again"))
    )
    assert {state for _, state, _ in cells(OTHERS)} == states
