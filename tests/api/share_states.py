"""Requests to the share coordinator, each about one share partition, and what it is answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kwire.ids import uuid_text
from kwire.wire.messages import delete_share_group_state as delete_messages
from kwire.wire.messages import initialize_share_group_state as initialize_messages
from kwire.wire.messages import read_share_group_state as read_messages
from kwire.wire.messages import read_share_group_state_summary as summary_messages
from kwire.wire.messages import write_share_group_state as write_messages
from kwire.wire.messages.find_coordinator import FindCoordinatorRequest
from tests.api.served import Served, batch
from tests.api.share_client import ACCEPT, joined


class States:
    """The states of partitions of one topic for the group `g`; the internal topic is made by being looked for."""

    def __init__(self, served: Served, topic_id: bytes, group: str = "g") -> None:
        self.served = served
        self.topic_id = topic_id
        self.group = group
        key = f"{group}:{uuid_text(topic_id)}:0"
        (found,) = served.call(FindCoordinatorRequest(key_type=2, coordinator_keys=[key]), 6).coordinators
        assert (found.error_code, found.node_id) == (0, served.broker.broker_id), found

    def _one(self, response: Any) -> Any:
        ((partition,),) = [result.partitions for result in response.results]
        return partition

    def initialize(self, state_epoch: int = 1, start_offset: int = 0, partition: int = 0) -> Any:
        m = initialize_messages
        data = m.PartitionData(partition=partition, state_epoch=state_epoch, start_offset=start_offset)
        topics = [m.InitializeStateData(topic_id=self.topic_id, partitions=[data])]
        return self._one(self.served.call(m.InitializeShareGroupStateRequest(group_id=self.group, topics=topics), 0))

    def read(self, leader_epoch: int = 0, partition: int = 0) -> Any:
        m = read_messages
        data = m.PartitionData(partition=partition, leader_epoch=leader_epoch)
        topics = [m.ReadStateData(topic_id=self.topic_id, partitions=[data])]
        return self._one(self.served.call(m.ReadShareGroupStateRequest(group_id=self.group, topics=topics), 0))

    def write(
        self,
        *batches: tuple[int, int, int, int],
        state_epoch: int = 1,
        leader_epoch: int = 0,
        start_offset: int = -1,
        complete: int = 0,
        partition: int = 0,
    ) -> Any:
        m = write_messages
        data = m.PartitionData(
            partition=partition,
            state_epoch=state_epoch,
            leader_epoch=leader_epoch,
            start_offset=start_offset,
            delivery_complete_count=complete,
            state_batches=[
                m.StateBatch(first_offset=first, last_offset=last, delivery_state=state, delivery_count=count)
                for first, last, state, count in batches
            ],
        )
        topics = [m.WriteStateData(topic_id=self.topic_id, partitions=[data])]
        return self._one(self.served.call(m.WriteShareGroupStateRequest(group_id=self.group, topics=topics), 1))

    def delete(self, partition: int = 0) -> Any:
        m = delete_messages
        topics = [m.DeleteStateData(topic_id=self.topic_id, partitions=[m.PartitionData(partition=partition)])]
        return self._one(self.served.call(m.DeleteShareGroupStateRequest(group_id=self.group, topics=topics), 0))

    def summary(self, partition: int = 0) -> Any:
        m = summary_messages
        data = m.PartitionData(partition=partition, leader_epoch=-1)
        topics = [m.ReadStateSummaryData(topic_id=self.topic_id, partitions=[data])]
        return self._one(self.served.call(m.ReadShareGroupStateSummaryRequest(group_id=self.group, topics=topics), 1))


def batches_of(answer: Any) -> list[tuple[int, int, int, int]]:
    return [(b.first_offset, b.last_offset, b.delivery_state, b.delivery_count) for b in answer.state_batches]


ONE_STATE_PARTITION = {"share.coordinator.state.topic.num.partitions": "1"}


def many_states(path: Path, *, leaves: bool = False) -> bytes:
    """Serve a share group until its states take more than one slice to load; the topic's id. Does its member leave?"""
    served = Served(ONE_STATE_PARTITION, directories=[path])
    topic_id = served.create_topic("t")
    served.fill("t", batch(*[b"a"] * 400))
    client = joined(served, "t")
    client.fetch(topic_id)
    for offset in range(400):
        client.acknowledge(topic_id, 0, (offset, offset, ACCEPT))
    assert served.log("__share_group_state").size > 16 * 1024
    served.fill("t", batch(b"last"))
    if leaves:
        client.beat(epoch=-1)
    served.close()
    return topic_id
