"""Which brokers hold the replicas of a new partition (apache/kafka `AdminUtils.assignReplicasToBrokers`, KIP-36).

Leaders go round the brokers from a random start; followers go round from there with a shift that grows by one on each
full round, so that the followers of one broker's partitions are spread over all others. With racks, the brokers are
first lined up rack by rack in turn, and a follower is placed on a rack without a replica while there is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kwire.errors import ErrorCode, KafkaError


def place_replicas(
    racks: Mapping[int, str | None],
    partition_count: int,
    replication_factor: int,
    *,
    start_index: int,
    shift: int,
    first_partition: int = 0,
) -> list[list[int]]:
    """Replicas per partition, the preferred leader first. `racks` is the rack of each live broker.

    `start_index` and `shift` are the caller's randomness: any numbers >= 0. Racks count only if every broker has one.
    Raises INVALID_REPLICATION_FACTOR if there are fewer brokers than replicas.
    """
    if replication_factor > len(racks):
        raise KafkaError(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"A replication factor of {replication_factor} needs as many live brokers; there are {len(racks)}.",
        )
    if replication_factor == 1 and len(racks) == 1:
        (only,) = racks
        return [[only] for _ in range(partition_count)]
    known_racks = {broker: rack for broker, rack in racks.items() if rack is not None}
    rack_aware = len(known_racks) == len(racks) and len(set(known_racks.values())) > 1
    brokers = _rack_alternated(known_racks) if rack_aware else sorted(racks)
    placed = []
    for partition in range(first_partition, first_partition + partition_count):
        if partition > 0 and partition % len(brokers) == 0:
            shift += 1
        first = (partition + start_index) % len(brokers)
        if rack_aware:
            placed.append(_across_racks(brokers, known_racks, first, shift, replication_factor))
        else:
            placed.append(_round_robin(brokers, first, shift, replication_factor))
    return placed


def _follower_index(first: int, shift: int, turn: int, broker_count: int) -> int:
    return (first + 1 + (shift + turn) % (broker_count - 1)) % broker_count


def _round_robin(brokers: Sequence[int], first: int, shift: int, replication_factor: int) -> list[int]:
    count = len(brokers)
    followers = (brokers[_follower_index(first, shift, turn, count)] for turn in range(replication_factor - 1))
    return [brokers[first], *followers]


def _rack_alternated(racks: Mapping[int, str]) -> list[int]:
    """Brokers so lined up that neighbours are of different racks as long as possible."""
    by_rack: dict[str, list[int]] = {}
    for broker in sorted(racks):
        by_rack.setdefault(racks[broker], []).append(broker)
    queues = [by_rack[rack] for rack in sorted(by_rack)]
    longest = max(map(len, queues))
    return [queue[turn] for turn in range(longest) for queue in queues if turn < len(queue)]


def _across_racks(
    brokers: Sequence[int], racks: Mapping[int, str], first: int, shift: int, replication_factor: int
) -> list[int]:
    count = len(brokers)
    rack_count = len(set(racks.values()))
    replicas = [brokers[first]]
    used_racks = {racks[brokers[first]]}
    turn = 0
    while len(replicas) < replication_factor:
        # Kafka strides by racks (shift * rack_count) so that the next candidate is of another rack.
        broker = brokers[_follower_index(first, shift * rack_count, turn, count)]
        turn += 1
        fresh_rack = racks[broker] not in used_racks or len(used_racks) == rack_count
        if broker not in replicas and fresh_rack:
            replicas.append(broker)
            used_racks.add(racks[broker])
    return replicas
