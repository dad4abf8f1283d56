"""Health: is the process alive, do the stores answer, could a message be delivered now. Open to everybody."""

from http import HTTPStatus

from aiohttp import web

from api.health import readiness
from api.health.schemas import Alive, HealthAnswer, Readiness
from api.http.body import answer
from api.http.resources import READINESS
from api.openapi import examples, tags
from api.openapi.operation import Access, Answer, operation


@operation(tags.HEALTH, access=Access.EVERYBODY, answers=Answer("It serves.", Alive, Alive(status="alive")))
async def live(_request: web.Request) -> web.Response:
    """Tells whether this process serves requests, whatever the stores do."""
    return answer(Alive(status="alive"))


@operation(
    tags.HEALTH,
    access=Access.EVERYBODY,
    answers={
        HTTPStatus.OK: Answer("Both answer.", HealthAnswer, examples.HEALTHY),
        HTTPStatus.SERVICE_UNAVAILABLE: Answer(
            "One of them does not.",
            HealthAnswer,
            examples.UNHEALTHY,
        ),
    },
)
async def stores(request: web.Request) -> web.Response:
    """Tells whether Postgres and Redis answer."""
    checks = await request.app[READINESS].stores()
    amiss = _amiss(checks)
    if amiss:
        unhealthy = HealthAnswer(message=f"unhealthy: {amiss}", status="unavailable")
        return answer(unhealthy, status=HTTPStatus.SERVICE_UNAVAILABLE)
    return answer(HealthAnswer(message="healthy", status="ok"))


@operation(
    tags.HEALTH,
    access=Access.EVERYBODY,
    answers={
        HTTPStatus.OK: Answer("Yes.", Readiness, examples.READY),
        HTTPStatus.SERVICE_UNAVAILABLE: Answer("No, and `checks` says why.", Readiness, examples.NOT_READY),
    },
)
async def ready(request: web.Request) -> web.Response:
    """Tells whether a message could be delivered now.

    What is held makes it no less ready: the rest is delivered. `held` and `gateway` say what waits for something else.
    """
    checks, held = await request.app[READINESS].all(), request.app[READINESS].held
    found = Readiness(
        status="unavailable" if _amiss(checks) else "ready",
        checks=checks,
        held=(held and held.messages) or None,
        gateway=None if held is None else held.gateway,
    )
    return answer(found, status=HTTPStatus.SERVICE_UNAVAILABLE if _amiss(checks) else HTTPStatus.OK)


def _amiss(checks: dict[str, str]) -> str:
    return ", ".join(f"{name} {found}" for name, found in checks.items() if found != readiness.OK)
