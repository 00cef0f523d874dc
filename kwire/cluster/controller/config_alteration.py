"""From what a client asks of an entity's dynamic settings to the settings it will have (KIP-226, KIP-339).

Pure: the settings before, the request, the settings after or the reason why not. Codes are those of Apache Kafka 4.3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum

from kwire.cluster.metadata_cache import TopicImage
from kwire.config.broker_config import BrokerConfig, base_option, validate_broker_alterations
from kwire.config.option import LIST, Option, value_text
from kwire.config.topic_config import TOPIC_OPTIONS, TopicConfig, validate_topic_overrides
from kwire.errors import ErrorCode, KafkaError
from kwire.named_tuple import NamedTuple

TOPICS = "topics"
BROKERS = "brokers"
GROUPS = "groups"


class AlterOperation(IntEnum):
    """What IncrementalAlterConfigs does to one option."""

    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


class OptionAlteration(NamedTuple):
    """One option of one entity; `operation` is a number of `AlterOperation`, as the client sent it."""

    name: str
    operation: int
    value: str | None


class EntityAlteration(NamedTuple):
    """Options of one entity: `entity_type` is `topics`, `brokers` or `groups`, `entity_name` a topic, a broker id or
    `<default>`, a group.

    With `replace` (AlterConfigs) the options are the whole new set, without it (IncrementalAlterConfigs) changes to it.
    """

    entity_type: str
    entity_name: str
    options: Sequence[OptionAlteration]
    replace: bool = False


Effective = Callable[[str], str | None]
"""The text of an option's value in force: what APPEND and SUBTRACT start from where the entity has none of its own."""


def effective_texts(options: BrokerConfig, topic: TopicImage | None) -> Effective:
    """Values in force: of a topic's options, or of the broker's own."""
    if topic is None:
        return options.text
    config = TopicConfig(options, topic.overrides)

    def text(name: str) -> str | None:
        option = TOPIC_OPTIONS.get(name)
        return None if option is None else value_text(option.type, config.get(name))

    return text


def altered(before: Mapping[str, str], alteration: EntityAlteration, effective: Effective) -> dict[str, str]:
    """The entity's settings after `alteration`. Raises KafkaError with the first reason against it.

    Those of a group depend on the broker's bounds: `group_configs.check_group_config` goes on from here.
    """
    _names_must_be_distinct(alteration.options)
    for option in alteration.options:
        _values_must_be_given(option)
    after = {} if alteration.replace else dict(before)
    for option in alteration.options:
        _alter(after, option, alteration.entity_type, effective)
    if alteration.entity_type == TOPICS:
        validate_topic_overrides(after)
    elif alteration.entity_type == BROKERS:
        touched = {name: after.get(name) for name in _touched(before, after, alteration)}
        validate_broker_alterations(touched, per_broker=alteration.entity_name.isdigit())
    return after


def _touched(before: Mapping[str, str], after: Mapping[str, str], alteration: EntityAlteration) -> list[str]:
    """Options to be checked: those named, and those that a replacement leaves out."""
    named = dict.fromkeys(option.name for option in alteration.options)
    gone = [name for name in before if name not in after and name not in named]
    return [*named, *gone]


def _names_must_be_distinct(options: Sequence[OptionAlteration]) -> None:
    if len({option.name for option in options}) != len(options):
        raise KafkaError(ErrorCode.INVALID_REQUEST, "An option is named twice.")


def _values_must_be_given(option: OptionAlteration) -> None:
    if option.operation not in AlterOperation.__members__.values():
        raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR, f"There is no operation {option.operation}.")
    if option.value is None and option.operation != AlterOperation.DELETE:
        raise KafkaError(ErrorCode.INVALID_REQUEST, f"{option.name}: null is not a value.")


def _alter(settings: dict[str, str], option: OptionAlteration, entity_type: str, effective: Effective) -> None:
    name, operation, value = option
    if operation == AlterOperation.DELETE:
        settings.pop(name, None)
        return
    assert value is not None
    if operation == AlterOperation.SET:
        settings[name] = value
        return
    declared = _declared(entity_type, name)
    if declared is None or declared.type != LIST:
        raise KafkaError(ErrorCode.INVALID_CONFIG, f"{name}: only to a list can be appended, or subtracted from it.")
    present = settings[name] if name in settings else effective(name)
    elements = _elements(present)
    wanted = _elements(value)
    if operation == AlterOperation.APPEND:
        elements += [element for element in wanted if element not in elements]
    else:
        elements = [element for element in elements if element not in wanted]
    settings[name] = ",".join(elements)


def _declared(entity_type: str, name: str) -> Option | None:
    if entity_type == GROUPS:
        return None  # No option of a group is a list.
    return TOPIC_OPTIONS.get(name) if entity_type == TOPICS else base_option(name)


def _elements(text: str | None) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()] if text else []
