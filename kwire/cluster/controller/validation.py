"""What a topic may be: every check as a sentence with its error code and text.

Codes and their order are those of Apache Kafka 4.3 (`ReplicationControlManager`, `Topic.validate`): name, existence,
settings, then assignment or replication factor and partition count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from kwire.errors import ErrorCode, KafkaError
from kwire.named_tuple import NamedTuple

MAX_NAME_LENGTH = 249
"""The longest name: with `-<partition>` and a deletion suffix it must still be a legal file name."""

MAX_PARTITIONS_PER_REQUEST = 10_000
"""Kafka 4's bound on what one request may create (`MAX_RECORDS_PER_USER_OP`)."""

CLUSTER_METADATA_TOPIC = "__cluster_metadata"
"""KRaft's own log; a topic of this name could never be told from it."""

LEGAL_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


class Rule(NamedTuple):
    """A condition that a value must meet, or be refused with `code` and `text` (in which `{}` is the value)."""

    holds: Callable[[str], bool]
    code: ErrorCode
    text: str

    def check(self, value: str) -> None:
        """Raises KafkaError."""
        if not self.holds(value):
            raise KafkaError(self.code, self.text.format(value))


class CountRule(NamedTuple):
    """Like `Rule`, of a number."""

    holds: Callable[[int], bool]
    code: ErrorCode
    text: str

    def check(self, value: int) -> None:
        """Raises KafkaError."""
        if not self.holds(value):
            raise KafkaError(self.code, self.text.format(value))


NAME_MUST_NOT_BE_EMPTY = Rule(bool, ErrorCode.INVALID_TOPIC_EXCEPTION, "The topic name is empty.")
NAME_MUST_NOT_BE_A_DIRECTORY = Rule(
    lambda name: name not in (".", ".."),
    ErrorCode.INVALID_TOPIC_EXCEPTION,
    "The topic name '{}' would be a directory of its own.",
)
NAME_MUST_FIT_A_FILE_NAME = Rule(
    lambda name: len(name) <= MAX_NAME_LENGTH,
    ErrorCode.INVALID_TOPIC_EXCEPTION,
    f"The topic name '{{}}' is longer than {MAX_NAME_LENGTH} characters.",
)
NAME_MUST_BE_OF_LEGAL_CHARACTERS = Rule(
    LEGAL_CHARACTERS.issuperset,
    ErrorCode.INVALID_TOPIC_EXCEPTION,
    "The topic name '{}' has characters other than ASCII letters, digits, '.', '_' and '-'.",
)
NAME_MUST_NOT_BE_THE_METADATA_LOG = Rule(
    lambda name: name != CLUSTER_METADATA_TOPIC,
    ErrorCode.INVALID_REQUEST,
    "The topic '{}' cannot be created.",
)
TOPIC_NAME_RULES = (
    NAME_MUST_NOT_BE_EMPTY,
    NAME_MUST_NOT_BE_A_DIRECTORY,
    NAME_MUST_FIT_A_FILE_NAME,
    NAME_MUST_BE_OF_LEGAL_CHARACTERS,
)

REPLICATION_FACTOR_MUST_BE_POSITIVE = CountRule(
    lambda factor: factor == -1 or factor > 0,
    ErrorCode.INVALID_REPLICATION_FACTOR,
    "The replication factor must be larger than 0, or -1 for the broker's default; it is {}.",
)
PARTITION_COUNT_MUST_BE_POSITIVE = CountRule(
    lambda count: count == -1 or count > 0,
    ErrorCode.INVALID_PARTITIONS,
    "The number of partitions must be larger than 0, or -1 for the broker's default; it is {}.",
)
PARTITION_COUNT_MUST_BE_BOUNDED = CountRule(
    lambda count: count <= MAX_PARTITIONS_PER_REQUEST,
    ErrorCode.POLICY_VIOLATION,
    f"{{}} partitions are more than the {MAX_PARTITIONS_PER_REQUEST} that one request may create.",
)


def check_topic_name(name: str) -> None:
    """Raises INVALID_TOPIC_EXCEPTION with the first reason."""
    for rule in TOPIC_NAME_RULES:
        rule.check(name)


def collision_key(name: str) -> str:
    """Names with the same key would have the same metric names: '.' and '_' are one there."""
    return name.replace(".", "_")


def name_must_not_collide(name: str, existing: Mapping[str, str]) -> None:
    """`existing` is by collision key. Raises INVALID_TOPIC_EXCEPTION if a name differs in '.' and '_' only."""
    other = existing.get(collision_key(name))
    if other is not None and other != name:
        raise KafkaError(
            ErrorCode.INVALID_TOPIC_EXCEPTION,
            f"The topic name '{name}' collides with the existing topic '{other}': they differ only in '.' and '_'.",
        )


def assignment_must_be_whole(assignments: Sequence[tuple[int, Sequence[int]]]) -> list[list[int]]:
    """Replicas in partition order. Raises INVALID_REPLICA_ASSIGNMENT unless partitions are 0..n-1, each once."""
    by_index = {index: list(brokers) for index, brokers in assignments}
    if len(by_index) != len(assignments):
        raise KafkaError(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT, "The manual assignment has several entries for one partition."
        )
    if sorted(by_index) != list(range(len(by_index))):
        raise KafkaError(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            "The partitions of a manual assignment must be numbered from 0 without gaps.",
        )
    return [by_index[index] for index in range(len(by_index))]


def replicas_must_be_known_brokers(
    replicas: Sequence[int], brokers: Mapping[int, object], replication_factor: int | None
) -> None:
    """Raises INVALID_REPLICA_ASSIGNMENT: none, one twice, an unknown one, or not as many as the topic's others."""
    code = ErrorCode.INVALID_REPLICA_ASSIGNMENT
    if not replicas:
        raise KafkaError(code, "The manual assignment has an empty list of replicas.")
    if len(set(replicas)) != len(replicas):
        raise KafkaError(code, f"The manual assignment names a broker twice: {list(replicas)}.")
    unknown = [broker for broker in replicas if broker not in brokers]
    if unknown:
        raise KafkaError(code, f"The manual assignment names brokers that are not registered: {unknown}.")
    if replication_factor is not None and len(replicas) != replication_factor:
        raise KafkaError(
            code,
            f"The manual assignment has {len(replicas)} replicas where other partitions have {replication_factor}.",
        )
