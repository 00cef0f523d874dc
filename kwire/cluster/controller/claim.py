"""Who the controller is: the first broker to create `/controller` (ephemeral), fenced by `/controller_epoch`."""

from __future__ import annotations

from contextlib import suppress

from kwire.cluster.store import (
    BadVersionError,
    Create,
    MetadataStore,
    NodeExistsError,
    NoNodeError,
    Operation,
    SetData,
    WatchCallback,
)
from kwire.cluster.znodes import ControllerEpochZnode, ControllerZnode
from kwire.named_tuple import NamedTuple


class Claim(NamedTuple):
    """The outcome: who is the controller. Epoch and data version of its znode are -1 unless this broker is."""

    controller_id: int
    epoch: int
    epoch_version: int


async def claim_controller(store: MetadataStore, broker_id: int, now_ms: int, *, on_change: WatchCallback) -> Claim:
    """Become the controller unless there is one; then `on_change` is told when it goes.

    Kafka's way (`KafkaController.elect`): one multi creates `/controller` and raises the epoch, if nobody else has.
    """
    while True:
        if await store.exists(ControllerEpochZnode.PATH) is None:
            with suppress(NodeExistsError):  # Another broker may start at the same time.
                await store.create(ControllerEpochZnode.PATH, ControllerEpochZnode.encode(0))
        data, stat = await store.get(ControllerEpochZnode.PATH)
        epoch = ControllerEpochZnode.decode(data) + 1
        claim: list[Operation] = [
            Create(ControllerZnode.PATH, ControllerZnode.encode(broker_id, now_ms), ephemeral=True),
            SetData(ControllerEpochZnode.PATH, ControllerEpochZnode.encode(epoch), stat.version),
        ]
        try:
            await store.multi(claim)
        except (NodeExistsError, BadVersionError):
            try:
                data, _ = await store.get(ControllerZnode.PATH, on_change)
            except NoNodeError:
                continue  # It has gone in the meantime: once more.
            return Claim(ControllerZnode.decode(data), -1, -1)
        return Claim(broker_id, epoch, stat.version + 1)
