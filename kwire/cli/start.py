"""`kwire start`: from arguments to a running broker, and from what goes wrong to one sentence and an exit code.

Exit codes: 0 after an orderly stop, 1 for a failure nobody foresaw, 2 for a wrong option or value, 3 when a port
cannot be had, 4 when another broker holds the data directory, 5 when the data directory cannot be used.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from kwire.cli.start_options import StartArguments, add_environment
from kwire.config.broker_config import BrokerConfig
from kwire.config.option import ConfigError
from kwire.config.sources import merge_sources
from kwire.errors import KafkaError

if TYPE_CHECKING:
    from kwire.broker import Broker

EXIT_FAILURE: Final = 1
EXIT_USAGE: Final = 2
EXIT_PORT: Final = 3
EXIT_DIRECTORY_HELD: Final = 4
EXIT_DIRECTORY_UNUSABLE: Final = 5

_FILES_WANTED: Final = 65536
_SETTLE_AFTER_S: Final = 1.0

logger = logging.getLogger("kwire.start")


class StartRefused(Exception):
    """The broker does not start: a sentence for people, and the exit code of the process."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def run(arguments: StartArguments) -> int:
    """Serve until SIGTERM or SIGINT; the exit code of the process. Says on standard error why it does not start."""
    from kwire.cli.logging_setup import set_up_logging

    try:
        complaint = add_environment(arguments, os.environ)
        if complaint is not None:
            raise StartRefused(complaint, EXIT_USAGE)
        config = configuration(arguments, os.environ)
        set_up_logging(arguments.log_format or "text", arguments.log_level or "info")
        _allow_many_files()
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(config, arguments))
    except StartRefused as refusal:
        sys.stderr.write(f"kwire: {refusal}\n")
        return refusal.exit_code
    return 0


def configuration(arguments: StartArguments, environment: Mapping[str, str]) -> BrokerConfig:
    """The configuration that arguments, environment and file make. Raises StartRefused."""
    if arguments.port is not None and arguments.listeners is not None:
        raise StartRefused("--port and --listeners say the same thing; give one of them", EXIT_USAGE)
    properties = _read(arguments.config_file) if arguments.config_file is not None else None
    try:
        static = merge_sources(properties, environment, arguments.overrides)
        if arguments.data_dir is not None:
            static["log.dirs"] = arguments.data_dir
        if arguments.port is not None:
            static["listeners"] = f"PLAINTEXT://:{arguments.port}"
        if arguments.listeners is not None:
            static["listeners"] = arguments.listeners
        return BrokerConfig(static, profile=arguments.profile or "dev")
    except ConfigError as error:
        raise StartRefused(str(error), EXIT_USAGE) from None
    except ValueError as error:
        raise StartRefused(f"{arguments.config_file}: {error}", EXIT_USAGE) from None


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise StartRefused(f"the configuration {path} cannot be read: {error.strerror}", EXIT_USAGE) from None
    except UnicodeDecodeError:
        raise StartRefused(f"the configuration {path} is not a text in UTF-8", EXIT_USAGE) from None


async def _serve(config: BrokerConfig, arguments: StartArguments) -> None:
    from kwire.broker import Broker, BrokerStartError

    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _on_signal, stopping)
    broker = Broker(config, ephemeral=arguments.ephemeral)
    try:
        await broker.start()
    except BrokerStartError as error:
        code = EXIT_DIRECTORY_HELD if error.directory_is_held else EXIT_DIRECTORY_UNUSABLE
        raise StartRefused(str(error), code) from error
    except Exception as error:
        refusal = _refusal(error, config)
        if refusal is None:
            raise
        raise refusal from error
    sys.stdout.write(banner(broker, arguments.log_format or "text", _age_of_process_ms()))
    sys.stdout.flush()
    loop.call_later(_SETTLE_AFTER_S, _settle_memory)
    for warning in config.warnings():
        logger.warning("%s", warning)
    await stopping.wait()
    logger.info("stopping")
    await broker.stop()


def _settle_memory() -> None:
    """Take what the start has made out of the garbage collector's sight, and let it look less often.

    A full collection over all modules would hold up every client for some milliseconds, again and again, and find
    nothing. What requests leave behind is freed by reference counts.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


def _on_signal(stopping: asyncio.Event) -> None:
    if stopping.is_set():
        os._exit(EXIT_FAILURE)  # the second Ctrl-C: whoever sends it does not want to wait any more
    stopping.set()


def banner(broker: Broker, log_format: str, age_ms: int) -> str:
    """What standard output says when the broker is ready: a few lines, or one JSON object."""
    addresses = broker.addresses()
    directory = "none (ephemeral)" if broker.ephemeral else ", ".join(broker.data_directories)
    if log_format == "json":
        import json

        ready = {
            "event": "ready",
            "listeners": addresses,
            "data_directories": broker.data_directories,
            "ephemeral": broker.ephemeral,
            "profile": broker.config.profile,
            "broker_id": broker.broker_id,
            "cluster_id": broker.cluster_id,
            "ready_ms": age_ms,
        }
        return json.dumps(ready) + "\n"
    return (
        f"kwire is ready after {age_ms} ms\n"
        f"  listening on  {', '.join(addresses)}\n"
        f"  data          {directory}\n"
        f"  broker        {broker.broker_id} of cluster {broker.cluster_id}, profile {broker.config.profile}\n"
        "  stop          Ctrl-C\n"
    )


def _refusal(error: Exception, config: BrokerConfig) -> StartRefused | None:
    """What an error during the start means for people; None when nobody foresaw it."""
    if isinstance(error, KafkaError):
        return StartRefused(error.message or str(error), EXIT_FAILURE)
    if not isinstance(error, OSError):
        return None
    if error.filename is None and error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES):
        from kwire.cli.port_holder import port_refusal

        return StartRefused(port_refusal(error, config.listeners()), EXIT_PORT)
    if error.errno is None or error.errno < 0:
        return StartRefused(error.strerror or str(error), EXIT_PORT)  # the resolver's numbers: a name nobody knows
    where, why = error.filename or ", ".join(config.log_dirs()), error.strerror or error
    return StartRefused(f"the data directory {where} cannot be used: {why}", EXIT_DIRECTORY_UNUSABLE)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _allow_many_files() -> None:
    """Raise the soft limit of open files: a segment and a connection are one each, and the usual limit is 1024."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_WANTED if hard == resource.RLIM_INFINITY else min(hard, _FILES_WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _age_of_process_ms() -> int:
    """Milliseconds since the process was started, from the kernel's book where there is one (to 10 ms)."""
    try:
        with open("/proc/self/stat", "rb") as stat:
            started_ticks = int(stat.read().rpartition(b")")[2].split()[19])
        started_s = started_ticks / os.sysconf("SC_CLK_TCK")
        return max(0, round((time.clock_gettime(time.CLOCK_BOOTTIME) - started_s) * 1000))
    except (OSError, AttributeError, ValueError, IndexError):
        return round(time.process_time() * 1000)
