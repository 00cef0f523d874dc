"""A member of a share group by hand, over a whole broker: heartbeats, fetches with their session, acknowledgements."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kwire.cluster.controller.config_alteration import GROUPS, EntityAlteration, OptionAlteration
from kwire.errors import ErrorCode
from kwire.wire.messages.find_coordinator import FindCoordinatorRequest
from kwire.wire.messages.share_acknowledge import AcknowledgementBatch as AckBatch
from kwire.wire.messages.share_acknowledge import (
    AcknowledgePartition,
    AcknowledgeTopic,
    ShareAcknowledgeRequest,
)
from kwire.wire.messages.share_fetch import (
    AcknowledgementBatch,
    FetchPartition,
    FetchTopic,
    ForgottenTopic,
    ShareFetchRequest,
)
from kwire.wire.messages.share_group_heartbeat import ShareGroupHeartbeatRequest
from tests.api.served import Peer, Served, records

ACCEPT, RELEASE, REJECT, RENEW = 1, 2, 3, 4

Said = Iterable[tuple[int, int, int]]
"""First offset, last offset, type."""


class ShareClient:
    """One member with a connection of its own. Errors are answers, never raised."""

    def __init__(self, served: Served, member: str = "m", group: str = "g") -> None:
        self.served = served
        self.member = member
        self.group = group
        self.epoch = 0
        self.session_epoch = 0
        self.peer = Peer()
        served.call(FindCoordinatorRequest(key=group, key_type=0), 3)

    def call(self, request: Any, version: int) -> Any:
        shared, self.served.peer = self.served.peer, self.peer
        try:
            return self.served.call(request, version)
        finally:
            self.served.peer = shared

    def beat(self, *topics: str, epoch: int | None = None) -> Any:
        response = self.call(
            ShareGroupHeartbeatRequest(
                group_id=self.group,
                member_id=self.member,
                member_epoch=self.epoch if epoch is None else epoch,
                subscribed_topic_names=list(topics) or None,
            ),
            1,
        )
        if response.error_code == ErrorCode.NONE:
            self.epoch = response.member_epoch
        return response

    def fetch(
        self,
        topic_id: bytes | None = None,
        *partitions: int,
        said: Said = (),
        about: tuple[bytes, int] | None = None,
        forget: tuple[bytes, int] | None = None,
        version: int = 2,
        epoch: int | None = None,
        **fields: Any,
    ) -> Any:
        """One ShareFetch that adds `partitions` of a topic to the session (0 if none are named)."""
        wanted = [
            FetchTopic(
                topic_id=topic_id,
                partitions=[
                    FetchPartition(partition_index=index, acknowledgement_batches=[]) for index in partitions or (0,)
                ],
            )
            for topic_id in ([topic_id] if topic_id else [])
        ]
        if about is not None:
            batches = [
                AcknowledgementBatch(first_offset=first, last_offset=last, acknowledge_types=[kind])
                for first, last, kind in said
            ]
            part = FetchPartition(partition_index=about[1], acknowledgement_batches=batches)
            wanted.append(FetchTopic(topic_id=about[0], partitions=[part]))
        forgotten = [] if forget is None else [ForgottenTopic(topic_id=forget[0], partitions=[forget[1]])]
        defaults: dict[str, Any] = {"max_wait_ms": 0, "min_bytes": 1, "max_records": 500, "batch_size": 500}
        request = ShareFetchRequest(
            group_id=self.group,
            member_id=self.member,
            share_session_epoch=self.session_epoch if epoch is None else epoch,
            topics=wanted,
            forgotten_topics_data=forgotten,
            **{**defaults, **fields},
        )
        response = self.call(request, version)
        if response.error_code == ErrorCode.NONE and epoch is None:
            self.session_epoch += 1
        return response

    def acknowledge(
        self, topic_id: bytes, partition: int, *said: tuple[int, int, int], epoch: int | None = None, **fields: Any
    ) -> Any:
        """One ShareAcknowledge."""
        batches = [
            AckBatch(first_offset=first, last_offset=last, acknowledge_types=[kind]) for first, last, kind in said
        ]
        part = AcknowledgePartition(partition_index=partition, acknowledgement_batches=batches)
        request = ShareAcknowledgeRequest(
            group_id=self.group,
            member_id=self.member,
            share_session_epoch=self.session_epoch if epoch is None else epoch,
            topics=[AcknowledgeTopic(topic_id=topic_id, partitions=[part])],
            **fields,
        )
        response = self.call(request, 2)
        if response.error_code == ErrorCode.NONE and epoch is None:
            self.session_epoch += 1
        return response


def acquired(response: Any) -> list[tuple[int, int, int]]:
    """First offset, last offset, delivery count of everything that was acquired."""
    return [
        (part.first_offset, part.last_offset, part.delivery_count)
        for topic in response.responses
        for partition in topic.partitions
        for part in partition.acquired_records
    ]


def values(response: Any) -> list[bytes | None]:
    """The values of all records in the answer, acquired or not."""
    return [
        record.value
        for topic in response.responses
        for partition in topic.partitions
        for record in records(partition.records)
    ]


def outcome(response: Any) -> ErrorCode:
    """The error of a ShareAcknowledge's one partition."""
    ((partition,),) = [topic.partitions for topic in response.responses]
    return ErrorCode(partition.error_code)


def configure(served: Served, group: str, **options: str) -> None:
    """Set options of a group (names with `_` for `.`)."""
    changes = [OptionAlteration(name.replace("_", "."), 0, value) for name, value in options.items()]
    (error,) = served.run(served.broker.services.controller.alter_configs([EntityAlteration(GROUPS, group, changes)]))
    assert error is None, error


def advance(served: Served, milliseconds: int) -> None:
    """Let time pass: members fall silent, locks end."""
    served.clock.advance(milliseconds)

    async def alarms() -> None:
        served.broker.services.groups.runtime.run_due_timers()
        served.broker.services.share.partitions.run_due_locks()

    served.run(alarms())


def joined(served: Served, *topics: str, member: str = "m", group: str = "g", reset: str = "earliest") -> ShareClient:
    """A member with its assignment, of a group that begins at the start of the log."""
    configure(served, group, share_auto_offset_reset=reset)
    client = ShareClient(served, member, group)
    response = client.beat(*topics)
    assert response.error_code == ErrorCode.NONE, response
    return client
