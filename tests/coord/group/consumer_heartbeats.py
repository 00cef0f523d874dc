"""Consumer groups' heartbeats as tests send them: each is held against the short way that idle members take."""

from __future__ import annotations

from kwire.coord.decision import Decision
from kwire.coord.group.consumer.member import Requester
from kwire.coord.group.shard import GroupShard
from kwire.wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest


def heartbeat(
    shard: GroupShard, request: ConsumerGroupHeartbeatRequest, requester: Requester, new_id: str, key: int, now_ms: int
) -> Decision:
    """What the shard decides. Where `idle_heartbeat` has an answer, it is that one, and nothing else is to be done."""
    idle = shard.consumer.idle_heartbeat(request, requester, now_ms)
    timers = dict(shard.timers._deadlines)
    decision = shard.consumer_heartbeat(request, requester, new_id, key, now_ms)
    if idle is not None:
        assert (decision.records, decision.orders, decision.replies) == ([], [], [(key, idle)])
        assert shard.timers._deadlines == timers
    return decision
