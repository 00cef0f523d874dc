"""The states of a classic group, and every way from one to another.

| state | joins | syncs | heartbeats | commits by members |
|---|---|---|---|---|
| Empty | start the first rebalance | UNKNOWN_MEMBER_ID | UNKNOWN_MEMBER_ID | manual commits only |
| PreparingRebalance | wait for the others | REBALANCE_IN_PROGRESS | REBALANCE_IN_PROGRESS | accepted |
| CompletingRebalance | unchanged: current generation | wait for the leader's | accepted | REBALANCE_IN_PROGRESS |
| Stable | unchanged: current generation | the assignment | accepted | accepted |
| Dead | COORDINATOR_NOT_AVAILABLE: the group was deleted or its coordinator moved | | | |

Source of the rules: apache/kafka `ClassicGroupState`; names are those that DescribeGroups and ListGroups show.
"""

from __future__ import annotations

from enum import Enum


class GroupState(Enum):
    """A classic group's state; the value is the name that clients see."""

    EMPTY = "Empty"
    PREPARING_REBALANCE = "PreparingRebalance"
    COMPLETING_REBALANCE = "CompletingRebalance"
    STABLE = "Stable"
    DEAD = "Dead"


class IllegalTransition(AssertionError):
    """A bug: the group was told to go where the table below does not lead."""


TRANSITIONS: dict[GroupState, frozenset[GroupState]] = {
    # A first member arrives.
    GroupState.EMPTY: frozenset({GroupState.PREPARING_REBALANCE, GroupState.DEAD}),
    # Everybody who counts has joined, or nobody is left.
    GroupState.PREPARING_REBALANCE: frozenset(
        {GroupState.COMPLETING_REBALANCE, GroupState.EMPTY, GroupState.DEAD},
    ),
    # The leader's assignment is stored, or membership changed before it came.
    GroupState.COMPLETING_REBALANCE: frozenset(
        {GroupState.STABLE, GroupState.PREPARING_REBALANCE, GroupState.DEAD},
    ),
    # Membership or a subscription changes.
    GroupState.STABLE: frozenset({GroupState.PREPARING_REBALANCE, GroupState.DEAD}),
    GroupState.DEAD: frozenset(),
}
"""From each state, the states that may follow. What is not listed raises `IllegalTransition`."""

REBALANCE_MAY_START_IN = frozenset({GroupState.EMPTY, GroupState.COMPLETING_REBALANCE, GroupState.STABLE})
HAS_A_GENERATION = frozenset({GroupState.COMPLETING_REBALANCE, GroupState.STABLE})
