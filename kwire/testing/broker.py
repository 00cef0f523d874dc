"""A broker inside the current process: in a thread and an event loop of its own, gone without a trace when it stops."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from types import TracebackType

from kwire.broker import Broker
from kwire.config.broker_config import BrokerConfig

STOP_TIMEOUT_S = 30.0


class KwireBroker:
    """A real broker for tests: real protocol, real log files in a temporary directory, a free port on loopback.

    `options` are broker options by their Kafka names, as in `server.properties`, over those of `profile`. Used as a
    context manager, or by `start` and `stop`; `start` returns when the broker answers. A stopped broker does not start
    again: make another one, it takes some milliseconds.

        with KwireBroker({"num.partitions": "3"}) as broker:
            producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
    """

    def __init__(self, options: Mapping[str, str] | None = None, *, profile: str = "dev") -> None:
        listeners = {"listeners": "PLAINTEXT://localhost:0"}
        self._config = BrokerConfig({**listeners, **(options or {})}, profile=profile)
        self._thread: threading.Thread | None = None
        self._settled = threading.Event()
        self._failure: BaseException | None = None
        self._request_stop: Callable[[], object] | None = None
        self.port = 0
        self.cluster_id = ""

    @property
    def bootstrap_servers(self) -> str:
        """What a client takes as `bootstrap.servers`."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> KwireBroker:
        """Start and wait until every API can be used. Raises what the broker's own start raises (OSError, ...)."""
        if self._thread is not None:
            raise RuntimeError("this broker was started before")
        self._thread = threading.Thread(target=self._run, name="kwire-broker", daemon=True)
        self._thread.start()
        self._settled.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def stop(self) -> None:
        """Close every connection and forget all data. Nothing happens when the broker is not running."""
        if self._request_stop is None or self._thread is None:
            return
        request_stop, self._request_stop = self._request_stop, None
        request_stop()
        self._thread.join(STOP_TIMEOUT_S)
        if self._thread.is_alive():
            raise RuntimeError(f"the broker did not stop within {STOP_TIMEOUT_S:.0f} s")

    def __enter__(self) -> KwireBroker:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        broker = Broker(self._config, ephemeral=True)
        try:
            await broker.start()
        except BaseException as error:
            self._failure = error
            return
        else:
            loop = asyncio.get_running_loop()
            stop_requested = asyncio.Event()
            self._request_stop = lambda: loop.call_soon_threadsafe(stop_requested.set)
            self.port = broker.port
            self.cluster_id = broker.cluster_id
        finally:
            self._settled.set()
        await stop_requested.wait()
        await broker.stop()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
