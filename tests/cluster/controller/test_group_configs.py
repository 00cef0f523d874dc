"""Settings of single groups: where they stand in the tree, and that a new controller finds them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from kwire.cluster.config_znodes import ConfigEntityZnode
from kwire.cluster.controller.config_alteration import GROUPS, AlterOperation, EntityAlteration, OptionAlteration
from kwire.cluster.controller.group_configs import group_config_path, load_group_overrides
from tests.cluster.node import Node

NAME = "consumer.heartbeat.interval.ms"


def alteration(group_id: str, value: str) -> EntityAlteration:
    return EntityAlteration(GROUPS, group_id, [OptionAlteration(NAME, AlterOperation.SET, value)])


def test_names_are_percent_encoded() -> None:
    assert group_config_path("plain-1.2_3") == "/config/groups/plain-1.2_3"
    assert group_config_path("a/b c") == "/config/groups/a%2Fb%20c"


def test_a_tree_without_them_is_kafkas() -> None:
    async def work() -> None:
        node = await Node().start()
        assert "groups" not in await node.session.children("/config")
        assert await load_group_overrides(node.session) == {}
        assert node.cache.group_overrides_of("g") == {}

    asyncio.run(work())


def test_they_outlive_the_broker(tmp_path: Path) -> None:
    async def set_them() -> None:
        node = await Node.at(tmp_path / "m.db").start()
        assert await node.controller.alter_configs([alteration("a/b", "6000"), alteration("c", "7000")]) == [None, None]
        await node.controller.alter_configs([alteration("d", "8000")], validate_only=True)
        await node.session.create("/config/groups/broken", b"{")
        await node.controller.stop()
        node.store.close()

    async def find_them() -> None:
        node = await Node.at(tmp_path / "m.db").start()
        assert node.cache.group_overrides == {"a/b": {NAME: "6000"}, "c": {NAME: "7000"}}
        assert ConfigEntityZnode.type_path(GROUPS) == "/config/groups"

    asyncio.run(set_them())
    asyncio.run(find_them())
