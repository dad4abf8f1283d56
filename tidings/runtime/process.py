"""How every process of tidings begins and ends: settings, logging, event loop, signals, exit code."""

import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

import structlog

from tidings.domain.cancellation import cancel_and_wait
from tidings.domain.errors import TidingsError, exit_code
from tidings.observability import logs, tracing
from tidings.runtime import files, stores
from tidings.settings import Settings, load

log = structlog.get_logger(__name__)

OTHER_FILES: Final = 128
"""What a process opens besides connections to receivers: modules, logs, the stores, its own server."""

T = TypeVar("T")

Main = Callable[[Settings, asyncio.Event], Awaitable[None]]
"""Runs until the event is set, which SIGTERM and SIGINT do; then it stops in order and returns."""


def run(process: str, main: Main) -> None:
    """Runs a process to its end. A TidingsError ends it with one line and exit code 2, or 3 where it is too old."""
    try:
        # Loading may have to wait for Vault, and says so.
        logs.configure_logging(process, "INFO")
        settings = stores.resolve(load())
        consumer = settings.consumer_name if process == "consumer" else None
        logs.configure_logging(process, settings.log_level, consumer=consumer)
        tracing.start(process, settings)
        _open_more_files(process, settings)
        _calm_garbage_collector()
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_until_stopped(main, settings))
    except TidingsError as error:
        sys.exit(one_line(process, error))
    finally:
        tracing.stop()


async def run_until(stop: asyncio.Event, starting: Coroutine[Any, Any, T]) -> T | None:
    """Returns what a start returns; None where the process is to stop first.

    A start may wait for a store that is away, for as long as it takes.
    """
    start, stopping = asyncio.create_task(starting), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({start, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return await start if start.done() else None
    finally:
        await cancel_and_wait(start, stopping)


async def _until_stopped(main: Main, settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    await main(settings, stop)


def _open_more_files(process: str, settings: Settings) -> None:
    """A delivery in flight takes a file, and many systems begin with 1,024 though they allow far more."""
    limit = files.raise_open_files_limit()
    wanted = settings.in_flight + OTHER_FILES
    if process == "consumer":
        write = log.info if limit >= wanted else log.warning
        write("open files", limit=limit, wanted=wanted)


def _calm_garbage_collector() -> None:
    """What was imported is never looked at again, and the rest less often.

    Messages come by the thousand, and hardly any of their objects form cycles. Measured on a consumer at full load:
    156 µs of CPU a message with the defaults, 115 µs so, 107 µs with the collector switched off.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415  (absent on Windows)
    except ImportError:
        return None
    return uvloop.new_event_loop


def one_line(process: str, error: TidingsError) -> int:
    """Says on standard error why a process ends; returns its exit code."""
    sys.stderr.write(f"tidings {process}: {error}\n")
    return exit_code(error)
