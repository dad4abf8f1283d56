"""How every process of tidings begins and ends: settings, logging, event loop, signals, exit code."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable

from tidings import stores, telemetry
from tidings.errors import TidingsError
from tidings.settings import Settings, load

Main = Callable[[Settings, asyncio.Event], Awaitable[None]]
"""Runs until the event is set, which SIGTERM and SIGINT do; then it stops in order and returns."""


def run(process: str, main: Main) -> None:
    """Runs a process to its end. A TidingsError ends it with one line and exit code 2."""
    try:
        settings = stores.resolve(load())
        telemetry.configure_logging(process, settings.log_level)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_until_stopped(main, settings))
    except TidingsError as error:
        sys.exit(_one_line(process, error))


async def _until_stopped(main: Main, settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    await main(settings, stop)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415  (absent on Windows)
    except ImportError:
        return None
    return uvloop.new_event_loop


def _one_line(process: str, error: TidingsError) -> int:
    sys.stderr.write(f"tidings {process}: {error}\n")
    return 2
