"""The znodes of dynamic settings: one per entity, and the notices that tell brokers of a change."""

from __future__ import annotations

from collections.abc import Mapping

from kwire.cluster.znodes import ZnodeError, from_json_bytes, to_json_bytes

DEFAULT_ENTITY = "<default>"
"""The name of the entity that stands for all entities without their own settings."""


class ConfigEntityZnode:
    """`/config/<type>/<name>`: dynamic settings of one entity; all values are strings.

    Types are `topics`, `brokers`, `clients`, `users`, `ips`. Names of users and clients are percent-encoded; the name
    `<default>` is not.
    """

    @staticmethod
    def type_path(entity_type: str) -> str:
        return f"/config/{entity_type}"

    @staticmethod
    def path(entity_type: str, name: str) -> str:
        return f"/config/{entity_type}/{name}"

    @staticmethod
    def encode(config: Mapping[str, str]) -> bytes:
        return to_json_bytes({"version": 1, "config": dict(config)})

    @staticmethod
    def decode(path: str, data: bytes | None) -> dict[str, str]:
        if not data:
            return {}
        config = from_json_bytes(path, data).get("config", {})
        if not isinstance(config, dict):
            raise ZnodeError(path, "its config is not an object")
        return {str(name): str(value) for name, value in config.items()}

    @staticmethod
    def sanitize(name: str) -> str:
        """The path form of a user's or client's name."""
        from urllib.parse import (
            quote,
        )  # Costs more to import than everything else here; few brokers have such entities.

        return name if name == DEFAULT_ENTITY else quote(name, safe="*~-_.")

    @staticmethod
    def desanitize(name: str) -> str:
        """Back from the path form."""
        from urllib.parse import unquote

        return unquote(name)


class ConfigChangesZnode:
    """`/config/changes`: persistent sequential children, each naming the entity whose settings have changed."""

    PATH = "/config/changes"
    PREFIX = "/config/changes/config_change_"
    PURGE_AFTER_MS = 15 * 60 * 1000
    """A notice older than this is deleted when the next one is written."""

    @staticmethod
    def encode(entity_path: str) -> bytes:
        return to_json_bytes({"version": 2, "entity_path": entity_path})

    @staticmethod
    def decode(path: str, data: bytes | None) -> str:
        value = from_json_bytes(path, data)
        try:
            return str(value["entity_path"])
        except KeyError as error:
            raise ZnodeError(path, "names no entity") from error
