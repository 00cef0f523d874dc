"""Settings of single groups (KIP-848's GROUP resource), which Apache Kafka has only where there is no ZooKeeper.

They stand where Kafka would have put them: `/config/groups/<id>`, the id percent-encoded like a user's name. The
branch is made with its first entry, so that a tree without such settings is Kafka 3.9's to the letter, and nothing is
announced under `/config/changes`, where a 3.9 broker would not know what to make of it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from kwire.cluster.config_znodes import ConfigEntityZnode
from kwire.cluster.controller.config_alteration import GROUPS
from kwire.cluster.store import MetadataStore, NodeExistsError, NoNodeError
from kwire.cluster.znodes import ZnodeError
from kwire.config.broker_config import BrokerConfig

logger = logging.getLogger("kwire.cluster")


def group_config_path(group_id: str) -> str:
    """Where the settings of this group stand."""
    return ConfigEntityZnode.path(GROUPS, ConfigEntityZnode.sanitize(group_id))


def check_group_config(settings: Mapping[str, str], options: BrokerConfig) -> None:
    """Raises INVALID_CONFIG for what a group cannot have, or must not within this broker's bounds."""
    from kwire.config.group_config import validate_group_overrides  # Few groups have settings of their own.

    validate_group_overrides(dict(settings), options)


async def ensure_group_configs(store: MetadataStore) -> None:
    """Make the branch unless it is there."""
    path = ConfigEntityZnode.type_path(GROUPS)
    if await store.exists(path) is None:
        try:
            await store.create(path, b"")
        except NodeExistsError:
            return


async def load_group_overrides(store: MetadataStore) -> dict[str, dict[str, str]]:
    """Each group's own settings, by id. What cannot be read is logged and left out."""
    try:
        names = await store.children(ConfigEntityZnode.type_path(GROUPS))
    except NoNodeError:
        return {}
    paths = [ConfigEntityZnode.path(GROUPS, name) for name in names]
    overrides = {}
    for name, path, node in zip(names, paths, await store.get_many(paths), strict=True):
        try:
            overrides[ConfigEntityZnode.desanitize(name)] = ConfigEntityZnode.decode(path, node[0] if node else None)
        except ZnodeError as error:
            logger.error("the settings of a group are left out: %s", error)
    return overrides
