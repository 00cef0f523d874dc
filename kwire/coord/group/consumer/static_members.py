"""Static members that come back under a new member id (KIP-345 in the consumer groups of KIP-848)."""

from __future__ import annotations

from kwire.coord.decision import Decision
from kwire.coord.group.consumer.group import ConsumerGroup
from kwire.coord.group.consumer.member import ConsumerMember
from kwire.coord.group.consumer.records import current_assignment_record, member_tombstones, target_record


def returned_static_member(
    group: ConsumerGroup, existing: ConsumerMember, member_id: str, out: Decision
) -> ConsumerMember:
    """The same member under its new id, at epoch 0 and with what it had; the old id is gone, unless it is the same:
    a consumer that was too slow to poll leaves and joins again without having been closed.

    What it says about itself is stored by whoever asks. The deadlines of the old id stay: they find nobody, and if the
    log refuses, they find whom they should.
    """
    member = existing._replace(member_id=member_id, has=existing.has._replace(member_epoch=0, previous_member_epoch=0))
    group_id = group.group_id
    if member_id != existing.member_id:
        out.records += member_tombstones(group_id, existing.member_id)
        out.records.append(target_record(group_id, member_id, group.target_of(existing.member_id, None)))
    out.records.append(current_assignment_record(group_id, member))
    return member
