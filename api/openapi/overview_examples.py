"""An overview as it is answered, with a history of two steps."""

from datetime import timedelta
from typing import Final

from api.openapi.examples import CREATED, DUE
from api.overview.schemas import (
    ChannelFigures,
    ConsumerFigures,
    Counts,
    Flow,
    Health,
    History,
    Overview,
    QueueFigures,
    Totals,
)
from tidings.domain.message import DEFAULT_QUEUE
from tidings.observability.reports import BreakerReport

_FLOW: Final = Flow(
    sent=412.6,
    failed=0.4,
    cancelled=0.0,
    lateness_p50=0.012,
    lateness_p99=0.048,
    duration_p50=0.021,
    duration_p99=0.19,
)
_COUNTS: Final = Counts(sent=[2063, 2051], failed=[2, 0], cancelled=[0, 0])

OVERVIEW: Final = Overview(
    at=DUE,
    totals=Totals(waiting=1830, waiting_capped=False, due=30, processing=200, in_flight=64, flow=_FLOW),
    channels=[ChannelFigures(name="sms", flow=_FLOW)],
    queues=[
        QueueFigures(
            name=DEFAULT_QUEUE,
            active=True,
            interval_seconds=0,
            batch_size=None,
            last_claimed_at=None,
            next_tick_at=None,
            waiting=30,
            waiting_capped=False,
            due=30,
            processing=200,
            flow=_FLOW,
        ),
        QueueFigures(
            name="newsletter",
            active=True,
            interval_seconds=120,
            batch_size=2,
            last_claimed_at=CREATED,
            next_tick_at=CREATED + timedelta(seconds=120),
            waiting=1800,
            waiting_capped=False,
            due=0,
            processing=0,
            flow=None,
        ),
    ],
    consumers=[
        ConsumerFigures(
            name="consumer-1",
            health=Health.WELL,
            host="worker-7f9c",
            version="0.1.0",
            started_at=CREATED,
            reported_at=DUE,
            in_flight=64,
            places=512,
            waiting=0,
            open_batches=2,
            outcomes_waiting=11,
            accepting=True,
            breakers=[BreakerReport(destination="webhook example.com", state="open", seconds=7.5)],
        )
    ],
    checks={"postgres": "ok", "schema": "ok", "redis": "ok", "producer": "ok", "consumers": "ok"},
    history=History(
        step_seconds=5,
        at=[int(DUE.timestamp()) - 5, int(DUE.timestamp())],
        sent=[2063, 2051],
        failed=[2, 0],
        cancelled=[0, 0],
        in_flight=[64, 61],
        waiting=[1842, 1830],
        due=[42, 30],
        lateness_p50=[0.012, 0.013],
        lateness_p99=[0.048, 0.052],
        duration_p50=[0.021, 0.02],
        duration_p99=[0.19, 0.2],
        channels={"sms": _COUNTS},
        queues={DEFAULT_QUEUE: _COUNTS},
    ),
)
