"""What the three config APIs have in common: resource types, and which broker a resource name means."""

from __future__ import annotations

from collections import Counter
from enum import IntEnum

from kwire.api.context import RequestContext
from kwire.cluster.config_znodes import DEFAULT_ENTITY
from kwire.cluster.controller.config_alteration import BROKERS, GROUPS, TOPICS, EntityAlteration, OptionAlteration
from kwire.errors import ErrorCode, KafkaError


class ResourceType(IntEnum):
    """apache/kafka `ConfigResource.Type`."""

    TOPIC = 2
    BROKER = 4
    BROKER_LOGGER = 8
    CLIENT_METRICS = 16
    GROUP = 32


def check_broker_name(name: str, context: RequestContext) -> None:
    """Raises INVALID_REQUEST unless `name` is this broker's id."""
    if not (name.isascii() and name.isdigit()):
        raise KafkaError(ErrorCode.INVALID_REQUEST, f"A broker's id is a number, not '{name}'.")
    if int(name) != context.services.broker_id:
        own = context.services.broker_id
        raise KafkaError(ErrorCode.INVALID_REQUEST, f"This is broker {own}; it does not hold the settings of {name}.")


def entity_of(resource_type: int, resource_name: str, context: RequestContext) -> tuple[str, str]:
    """Entity type and name of a resource whose settings can be altered. Raises KafkaError with Kafka's code."""
    if resource_type == ResourceType.TOPIC:
        if not resource_name:
            raise KafkaError(ErrorCode.INVALID_REQUEST, "Topics have no common settings of their own.")
        return TOPICS, resource_name
    if resource_type == ResourceType.BROKER:
        if not resource_name:
            return BROKERS, DEFAULT_ENTITY
        check_broker_name(resource_name, context)
        return BROKERS, str(context.services.broker_id)  # A name like "01" means it too.
    if resource_type == ResourceType.GROUP:
        if not resource_name:
            raise KafkaError(ErrorCode.INVALID_REQUEST, "Groups have no common settings of their own.")
        return GROUPS, resource_name
    raise KafkaError(ErrorCode.INVALID_REQUEST, f"Settings of resource type {resource_type} cannot be altered.")


async def alter(
    asked: list[tuple[int, str, list[OptionAlteration]]], context: RequestContext, *, replace: bool, validate_only: bool
) -> list[KafkaError | None]:
    """Alter each (resource type, resource name, options); why not, or None, in order.

    A resource that is named twice is refused each time.
    """
    errors: list[KafkaError | None] = []
    alterations: list[EntityAlteration] = []
    positions: list[int] = []
    times_named = Counter((resource_type, name) for resource_type, name, _ in asked)
    for position, (resource_type, name, options) in enumerate(asked):
        errors.append(None)
        try:
            if times_named[resource_type, name] > 1:
                raise KafkaError(ErrorCode.INVALID_REQUEST, "The resource is named twice in the request.")
            entity_type, entity_name = entity_of(resource_type, name, context)
        except KafkaError as error:
            errors[position] = error
            continue
        alterations.append(EntityAlteration(entity_type, entity_name, options, replace))
        positions.append(position)
    outcomes = await context.services.controller.alter_configs(alterations, validate_only=validate_only)
    for position, outcome in zip(positions, outcomes, strict=True):
        errors[position] = outcome
    return errors
