"""Asks the handlers of the cluster's APIs as a client would: every request and response goes through the codec."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from importlib import import_module
from typing import Any

from kwire.api.context import RequestContext, Services
from kwire.api.table import API_BY_KEY, Api
from kwire.errors import KafkaError
from kwire.wire.codec import decode, encode
from tests.cluster.node import Node


class FakeConnection:
    """What handlers read of a connection."""

    def __init__(self, local_host: str = "192.0.2.7", local_port: int = 9092) -> None:
        self.local_host = local_host
        self.local_port = local_port
        self.listener_name = "PLAINTEXT"
        self.state: dict[str, object] = {}


class Client:
    """One client of one node."""

    def __init__(self, node: Node, connection: FakeConnection | None = None) -> None:
        self.node = node
        self.connection = connection or FakeConnection()
        services = Services()
        services.broker_id = node.broker_id
        services.cluster_id = node.cache.cluster_id
        services.clock = node.clock
        services.config = node.options
        services.controller = node.controller
        services.metadata = node.cache
        self.services = services

    async def ask(self, request: Any, version: int) -> Any:
        """The decoded response. KafkaErrors are answered as the dispatcher does it."""
        api = api_of(request)
        module = import_module(f"kwire.api.{api.module}")
        context = RequestContext(
            api.key,
            version,
            1,
            "client",
            self.connection,  # type: ignore[arg-type]  # as much of one as handlers use
            self.services,
            self.node.clock.now_ms(),
        )
        received = decode(type(request), version, encode(request, version))
        try:
            answer = module.handle(received, context)
            response = await answer if isinstance(answer, Awaitable) else answer
        except KafkaError as error:
            response = module.error_response(received, error.code, error.message)
        return decode(type(response), version, encode(response, version))


def api_of(request: Any) -> Api:
    """The table's row of a request class."""
    name = type(request).__name__.removesuffix("Request")
    return next(api for api in API_BY_KEY.values() if api.name == name)


def versions_of(key: int) -> range:
    """All served versions of an API."""
    api = API_BY_KEY[key]
    return range(api.first, api.last + 1)


def with_client(options: dict[str, str] | None, scenario: Any, *, profile: str = "dev") -> None:
    """Run `await scenario(client)` on a started node."""

    async def run() -> None:
        await scenario(Client(await Node(options, profile=profile).start()))

    asyncio.run(run())
