"""Notices of changed settings under `/config/changes`: what is left behind is cleared away."""

from __future__ import annotations

from kwire.cluster.config_znodes import ConfigChangesZnode
from kwire.cluster.store import Delete, MetadataStore


async def purge_config_notices(store: MetadataStore, now_ms: int) -> None:
    """Delete notices that every broker has seen long ago, as Kafka does whenever it writes one."""
    names = await store.children(ConfigChangesZnode.PATH)
    paths = [f"{ConfigChangesZnode.PATH}/{name}" for name in names]
    oldest_ms = now_ms - ConfigChangesZnode.PURGE_AFTER_MS
    nodes = await store.get_many(paths)
    old = [Delete(path) for path, node in zip(paths, nodes, strict=True) if node and node[1].ctime_ms < oldest_ms]
    if old:
        await store.multi(old)
