"""What `arq consumers.WorkerSettings` reads.

Under arq's own command line the worker ends when Redis drops, and with it the process; what was in flight is recovered
as after a crash. Whatever runs it must start it again; `tidings consumer` does not need that.
"""

from typing import Any

from consumers.consumer import Consumer
from consumers.worker import worker_settings
from tidings.observability import logs, tracing
from tidings.runtime import stores
from tidings.settings import Settings, load


def make_worker_settings() -> type:
    """A class whose attributes are the arguments of arq's Worker."""
    settings = stores.resolve(load())
    return type("WorkerSettings", (), {**worker_settings(settings), **_hooks(settings)})


def _hooks(settings: Settings) -> dict[str, Any]:
    async def on_startup(context: dict[str, Any]) -> None:
        logs.configure_logging("consumer", settings.log_level, consumer=settings.consumer_name)
        tracing.start("consumer", settings)
        context["consumer"] = await Consumer.start(settings)

    async def on_shutdown(context: dict[str, Any]) -> None:
        consumer: Consumer = context["consumer"]
        await consumer.stop()
        tracing.stop()

    return {"on_startup": staticmethod(on_startup), "on_shutdown": staticmethod(on_shutdown)}
