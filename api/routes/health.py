"""Health: is the process alive, do the stores answer, could a message be delivered now. Open to everybody."""

from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from api import readiness
from api.body import answer
from api.resources import READINESS
from api.schemas import Health, Readiness


async def live(_request: web.Request) -> web.Response:
    """200 as long as this process serves requests, whatever the stores do."""
    return answer({"status": "alive"})


async def stores(request: web.Request) -> web.Response:
    """200 while Postgres and Redis answer, otherwise 503."""
    checks = await request.app[READINESS].stores()
    amiss = _amiss(checks)
    if amiss:
        unhealthy = Health(message=f"unhealthy: {amiss}", status="unavailable")
        return answer(unhealthy, status=HTTPStatus.SERVICE_UNAVAILABLE)
    return answer(Health(message="healthy", status="ok"))


async def ready(request: web.Request) -> web.Response:
    """200 only when a message could be delivered now, otherwise 503; `checks` says what is missing."""
    checks = await request.app[READINESS].all()
    if _amiss(checks):
        return answer(Readiness(status="unavailable", checks=checks), status=HTTPStatus.SERVICE_UNAVAILABLE)
    return answer(Readiness(status="ready", checks=checks))


def _amiss(checks: dict[str, str]) -> str:
    return ", ".join(f"{name} {said}" for name, said in checks.items() if said != readiness.OK)


PUBLIC: Final[frozenset[Handler]] = frozenset({live, stores, ready})
"""What needs no credential."""
