"""Figures for Prometheus: of this process, and of the work that is there for all of them.

The latter are asked for with each scrape, from indexes that hold unfinished messages only. Postgres away: NaN.
"""

import math
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Gauge, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from sql.database import AWAY
from sql.store import Store
from tidings.errors import describe

log = structlog.get_logger(__name__)

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
REGISTRY: Final = CollectorRegistry()

ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

WAITING: Final = Gauge(
    "tidings_messages_waiting",
    "Messages that are pending or failed, so wait for their time or for room; counted up to 100,000.",
    registry=REGISTRY,
)
PROCESSING: Final = Gauge(
    "tidings_messages_processing", "Messages that are claimed and on their way.", registry=REGISTRY
)
BEHIND: Final = Gauge(
    "tidings_behind_seconds",
    "For how long the message that has waited longest could have been claimed; 0 when there is none.",
    registry=REGISTRY,
)


async def render(store: Store) -> bytes:
    """All figures as they are now, in the text format."""
    try:
        figures, next_due = await store.messages.figures(), await store.batches.next_due()
    except AWAY as error:
        log.warning("metrics without the figures of the store", error=describe(error))
        for gauge in (WAITING, PROCESSING, BEHIND):
            gauge.set(math.nan)
    else:
        WAITING.set(figures.waiting)
        PROCESSING.set(figures.processing)
        BEHIND.set(max(0.0, -next_due) if next_due is not None else 0.0)
    return generate_latest(REGISTRY)
