"""From a frame to a handler and back: header, version gate, decoding, the handler, encoding.

Per (key, version) a `Route` is built once, at first use; a request then costs one header, one compiled decoder, the
handler and one compiled encoder. Errors end here (ARCHITECTURE "Errors"):

- a frame that cannot be decoded, an API or a version that is not served: the connection is closed, as Apache Kafka
  does; ApiVersions in an unknown version is answered with error 35 and a body of version 0 (KIP-511);
- `CloseConnection` from a handler: likewise;
- `KafkaError`, or anything unforeseen (then with a traceback in the log and UNKNOWN_SERVER_ERROR): the module's own
  `error_response(request, code, message)`, else the response class's `error_code` field, else the connection is closed.
"""

from __future__ import annotations

import logging
from asyncio import Future, ensure_future
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kwire.api.context import CloseConnection, RequestContext, Services
from kwire.api.table import API_BY_KEY, Api
from kwire.errors import ErrorCode, KafkaError
from kwire.net.endpoint import CLOSE
from kwire.wire.codec import decode, encode_parts, warm
from kwire.wire.header import read_request_header, response_header, response_header_packer
from kwire.wire.messages import request_class, response_class
from kwire.wire.primitives import WireError

if TYPE_CHECKING:
    from kwire.net.connection import Connection
    from kwire.net.endpoint import Reply

logger = logging.getLogger("kwire.api")

API_VERSIONS_KEY = 18

Handler = Callable[[Any, RequestContext], Any]


class Route:
    """How requests of one (API, version) are decoded, handled and answered with an error."""

    __slots__ = ("api", "error_response", "handle", "pack_header", "request_class", "response_class", "version")

    def __init__(self, api: Api, version: int) -> None:
        module = import_module(f"kwire.api.{api.module}")
        self.api = api
        self.version = version
        self.request_class: type[Any] = request_class(api.key)
        self.response_class: type[Any] = response_class(api.key)
        self.handle: Handler = module.handle
        self.pack_header = response_header_packer(api.key, version)
        self.error_response: Callable[[Any, ErrorCode, str | None], Any] | None = getattr(
            module, "error_response", None
        )

    def response_to_error(self, request: Any, code: ErrorCode, message: str | None) -> Any:
        """The response that tells `code`, or None where this API has no place for one."""
        if self.error_response is not None:
            return self.error_response(request, code, message)
        if "error_code" in self.response_class.__annotations__:
            return self.response_class(error_code=code)
        return None


class Dispatcher:
    """The request handler that a listener is given: called once per frame, synchronously.

    Returns the response's parts, None (nothing to answer), CLOSE, or a future of one of these.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._routes: dict[tuple[int, int], Route] = {}

    def __call__(self, frame: memoryview, connection: Connection) -> Reply | Awaitable[Reply]:
        try:
            api_key, version, correlation_id, client_id, body_offset = read_request_header(frame)
        except WireError as error:
            logger.info("closing %s: undecodable request header: %s", connection, error)
            return CLOSE
        route = self._routes.get((api_key, version))
        if route is None:
            route = self._open_route(api_key, version)
            if route is None:
                return self._refuse(api_key, version, correlation_id, connection)
        services = self._services
        now_ms = services.clock.now_ms()
        context = RequestContext(api_key, version, correlation_id, client_id, connection, services, now_ms)
        try:
            request = decode(route.request_class, version, frame, body_offset)
        except WireError as error:
            logger.info("closing %s: undecodable %s v%d: %s", connection, route.api.name, version, error)
            return CLOSE
        try:
            response = route.handle(request, context)
        except Exception as error:
            return self._failed(route, request, context, error)
        if response.__class__ is route.response_class:
            return encode_parts(response, version, route.pack_header(correlation_id))
        if response is None:
            return None
        return self._reply_later(route, request, response, context)

    def warm(self, api_key: int, version: int) -> None:
        """Import the handler and compile the codecs of this route before a client waits for them."""
        route = self._routes.get((api_key, version)) or self._open_route(api_key, version)
        if route is not None:
            warm(route.request_class, [version])
            warm(route.response_class, [version])

    def _open_route(self, api_key: int, version: int) -> Route | None:
        api = API_BY_KEY.get(api_key)
        if api is None or not api.first <= version <= api.last:
            return None
        route = self._routes[api_key, version] = Route(api, version)
        return route

    def _refuse(self, api_key: int, version: int, correlation_id: int, connection: Connection) -> Reply:
        """KIP-511: a client that is newer than the broker learns from ApiVersions what it may use; others are cut."""
        if api_key == API_VERSIONS_KEY:
            from kwire.api.api_versions import unsupported_version_response

            header = response_header(API_VERSIONS_KEY, 0, correlation_id)
            return encode_parts(unsupported_version_response(), 0, header)
        api = API_BY_KEY.get(api_key)
        name = api.name if api else "unknown API"
        logger.info("closing %s: key %d (%s) version %d is not served", connection, api_key, name, version)
        return CLOSE

    def _encode(self, route: Route, response: Any, context: RequestContext) -> Reply:
        return encode_parts(response, route.version, route.pack_header(context.correlation_id))

    def _failed(self, route: Route, request: Any, context: RequestContext, error: BaseException) -> Reply:
        if isinstance(error, CloseConnection):
            logger.info("closing %s: %s v%d: %s", context.connection, route.api.name, route.version, error)
            return CLOSE
        if isinstance(error, KafkaError):
            code, message = error.code, error.message
        else:
            code, message = ErrorCode.UNKNOWN_SERVER_ERROR, None
            logger.error("%s v%d from %s failed", route.api.name, route.version, context.connection, exc_info=error)
        response = route.response_to_error(request, code, message)
        return CLOSE if response is None else self._encode(route, response, context)

    def _reply_later(
        self, route: Route, request: Any, pending: Awaitable[Any], context: RequestContext
    ) -> Awaitable[Reply]:
        """A future of the encoded reply; cancelling it (the client left) cancels the handler's own future."""
        work = ensure_future(pending)
        reply: Future[Reply] = work.get_loop().create_future()

        def finish(done: Future[Any]) -> None:
            if reply.done():
                if not done.cancelled():
                    done.exception()  # Retrieved, so that nobody is told about an error after the client left.
                return
            if done.cancelled():
                reply.cancel()
                return
            error = done.exception()
            try:
                if error is not None:
                    reply.set_result(self._failed(route, request, context, error))
                else:
                    response = done.result()
                    reply.set_result(None if response is None else self._encode(route, response, context))
            except Exception as unforeseen:
                logger.error("answering %s v%d failed", route.api.name, route.version, exc_info=unforeseen)
                reply.set_result(CLOSE)

        def abandon(done: Future[Reply]) -> None:
            if done.cancelled():
                work.cancel()

        work.add_done_callback(finish)
        reply.add_done_callback(abandon)
        return reply
