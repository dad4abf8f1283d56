"""Job Management System: start, stop, what was sent under which id of the provider, and how it is doing."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID

import msgspec
from aiohttp import hdrs, web
from msgspec import Meta

from api.compat.listing import NEXT_PAGE, sent_messages
from api.compat.listing import PARAMETERS as PAGE_PARAMETERS
from api.compat.native import start_default_queue, stop_default_queue
from api.compat.system import System
from api.health.readiness import OK
from api.http.body import answer
from api.http.resources import METRICS, READINESS, SETTINGS
from api.openapi import examples
from api.openapi.operation import TEXT, Access, Answer, Tag, operation
from tidings.domain.api_key import Scope
from tidings.domain.states import Status

HEALTHY: Final = "healthy"
UNHEALTHY: Final = "unhealthy"


TAG: Final = Tag(
    "Job Management System", "An older system: start, stop, what was sent under which id of the provider, health."
)


class SentSms(msgspec.Struct, frozen=True, kw_only=True):
    """A message in the list."""

    id: UUID
    content: str
    recipient_phone_number: str
    status: str
    message_received_id: Annotated[str | None, Meta(description="The provider's own id, where it gave one.")]


class Service(msgspec.Struct, frozen=True, rename="pascal"):
    """How one of the services is."""

    name: str
    status: str


class HealthCheck(msgspec.Struct, frozen=True, kw_only=True):
    """How the services are, each and together."""

    status: str
    services: dict[str, Service]


class Liveness(msgspec.Struct, frozen=True, kw_only=True):
    """That the process serves requests."""

    health: str


def _health(services: Mapping[str, bool]) -> HealthCheck:
    return HealthCheck(
        status=HEALTHY if all(services.values()) else UNHEALTHY,
        services={name: Service(name, HEALTHY if up else UNHEALTHY) for name, up in services.items()},
    )


_OK: Final = Answer("Done.", str, "OK", media_type=TEXT)
_EXAMPLE: Final = SentSms(
    id=examples.MESSAGE_ID,
    content=examples.MESSAGE.content,
    recipient_phone_number=examples.MESSAGE.recipient,
    status=Status.SENT,
    message_received_id="67f2f8a8-ea58-4ed0-a6f9-ff217df4d849",
)


@operation(TAG, access=Access.ADMINS, scope=Scope.MANAGE, answers=_OK)
async def start(request: web.Request) -> web.Response:
    """Starts: the messages of queue `default` go."""
    await start_default_queue(request)
    return web.Response(text="OK")


@operation(TAG, access=Access.ADMINS, scope=Scope.MANAGE, answers=_OK)
async def stop(request: web.Request) -> web.Response:
    """Stops: the messages of queue `default` wait."""
    await stop_default_queue(request)
    return web.Response(text="OK")


@operation(
    TAG,
    access=Access.MEMBERS,
    scope=Scope.READ,
    parameters=PAGE_PARAMETERS,
    answers=Answer("A page.", list[SentSms], [_EXAMPLE], headers=NEXT_PAGE),
)
async def list_sent(request: web.Request) -> web.Response:
    """Lists sent text messages, the last one first."""
    messages, headers = await sent_messages(request)
    shown = [
        SentSms(
            id=message.id,
            content=message.content,
            recipient_phone_number=message.recipient,
            status=message.status,
            message_received_id=message.provider_message_id,
        )
        for message in messages
    ]
    return answer(shown, headers=headers)


@operation(
    TAG,
    access=Access.EVERYBODY,
    answers={
        HTTPStatus.OK: Answer("All is well.", HealthCheck, _health({"redis": True, "postgres": True})),
        HTTPStatus.SERVICE_UNAVAILABLE: Answer(
            "Something is not.", HealthCheck, _health({"redis": False, "postgres": True})
        ),
    },
)
async def health_check(request: web.Request) -> web.Response:
    """Tells whether Postgres and Redis answer, and Vault where it is configured."""
    services = {name: found == OK for name, found in (await request.app[READINESS].stores()).items()}
    if request.app[SETTINGS].vault_addr:
        from tidings.settings.vault import vault_is_up  # noqa: PLC0415  (its libraries take a tenth of a second)

        services["vault"] = await vault_is_up(request.app[SETTINGS])
    status = HTTPStatus.OK if all(services.values()) else HTTPStatus.SERVICE_UNAVAILABLE
    return answer(_health(services), status=status)


@operation(TAG, access=Access.EVERYBODY, answers=Answer("It serves.", Liveness, Liveness(health="ok")))
async def health_alive(_request: web.Request) -> web.Response:
    """Tells whether this process serves requests."""
    return answer(Liveness(health="ok"))


@operation(
    TAG,
    access=Access.ADMINS,
    scope=Scope.READ,
    whole=True,
    answers=Answer(
        "The metrics.",
        str,
        '# TYPE tidings_messages_processing gauge\ntidings_messages_processing{queue="default"} 3.0\n',
        media_type=TEXT,
    ),
)
async def show_metrics(request: web.Request) -> web.Response:
    """Shows metrics for Prometheus.

    They are about everybody's messages.
    """
    return await request.app[METRICS].registry.exposition(request.headers.get(hdrs.ACCEPT, ""))


SYSTEM: Final = System(
    routes=(
        web.put("/jobs/start", start),
        web.put("/jobs/stop", stop),
        web.get("/messages/sent", list_sent),
        web.get("/health-check", health_check),
        web.get("/health-alive", health_alive),
        web.get("/metrics", show_metrics),
    ),
    paths=re.compile(r"/(jobs|messages/sent|health-check|health-alive|metrics)(/.*)?"),
)
