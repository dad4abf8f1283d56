"""Two users, and every route that the application has: neither sees or changes what is the other's.

The routes are those of the router itself. One that is not listed here fails the test: whoever adds a route says whose
business it is.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta
from enum import Enum, auto
from typing import Any, Final
from uuid import UUID

import aiohttp
import msgspec
import pytest_asyncio
from aiohttp import web
from yarl import URL

from api.http.auth import NOT_ADMIN
from api.http.resources import SETTINGS, STORE
from api.openapi.operation import Access, needs_of
from producer.status_events import StatusEvents
from sql.events import FanOut
from sql.lists import MessageFilter
from sql.store import Store
from tests.factories import keep, new_hold
from tests.integration.api.accounts.people import PASSWORD, SMTP, Person, admin, join, log_in, operator, stranger
from tests.integration.api.client import JSON, Api
from tests.unit.api.bounces.samples import MESSAGE_ID, POSTFIX
from tidings.domain.account import Sealed
from tidings.domain.api_key import Scope
from tidings.domain.endpoint import Endpoint, NewEvent
from tidings.domain.ids import new_id
from tidings.domain.suppression import SuppressionReason
from tidings.domain.timestamps import utc_now


class Business(Enum):
    """Whose business a route is."""

    EVERYBODYS = auto()
    """Needs no credential, and tells nothing of anybody."""
    OUR_PAGES = auto()
    """For browsers that show a page of ours: whoever else asks is refused."""
    SHARED = auto()
    """Needs a credential, and is the same for all."""
    OWN = auto()
    """About whoever asks."""
    ONE_THING = auto()
    """About one thing, whose owner it is for: for others there is no such thing."""
    ONE_ACCOUNT = auto()
    """About one account, whose owner it is for: others may know that ids of others exist."""
    ADMINS = auto()


ROUTES: Final[Mapping[str, Business]] = {
    "GET /api/v1/audit": Business.OWN,
    "GET /health": Business.EVERYBODYS,
    "GET /health/live": Business.EVERYBODYS,
    "GET /health/ready": Business.EVERYBODYS,
    "GET /dashboard/session": Business.OWN,
    "POST /dashboard/session": Business.OUR_PAGES,
    "DELETE /dashboard/session": Business.OUR_PAGES,
    "GET /dashboard/static/{name}": Business.EVERYBODYS,
    "GET /openapi.json": Business.EVERYBODYS,
    "GET /swagger": Business.EVERYBODYS,
    "GET /swagger/doc.json": Business.EVERYBODYS,
    "GET /swagger/{name}": Business.EVERYBODYS,
    "POST /api/v1/messages": Business.OWN,
    "GET /api/v1/messages": Business.OWN,
    "POST /api/v1/messages/batch": Business.OWN,
    "POST /api/v1/messages/cancel": Business.OWN,
    "POST /api/v1/messages/retry": Business.OWN,
    "GET /api/v1/messages/{id}": Business.ONE_THING,
    "GET /api/v1/messages/{id}/attempts": Business.ONE_THING,
    "GET /api/v1/messages/{id}/explain": Business.ONE_THING,
    "POST /api/v1/messages/{id}/cancel": Business.ONE_THING,
    "POST /api/v1/messages/{id}/retry": Business.ONE_THING,
    "GET /api/v1/changes/{change_id}": Business.ONE_THING,
    "POST /api/v1/changes/{change_id}/stop": Business.ONE_THING,
    "GET /api/v1/endpoints": Business.OWN,
    "POST /api/v1/endpoints": Business.OWN,
    "GET /api/v1/endpoints/{endpoint_id}": Business.ONE_THING,
    "PATCH /api/v1/endpoints/{endpoint_id}": Business.ONE_THING,
    "DELETE /api/v1/endpoints/{endpoint_id}": Business.ONE_THING,
    "POST /api/v1/endpoints/{endpoint_id}/disable": Business.ONE_THING,
    "POST /api/v1/endpoints/{endpoint_id}/enable": Business.ONE_THING,
    "POST /api/v1/endpoints/{endpoint_id}/secret/rotate": Business.ONE_THING,
    "POST /api/v1/endpoints/{endpoint_id}/test": Business.ONE_THING,
    "POST /api/v1/endpoints/{endpoint_id}/recover": Business.ONE_THING,
    "POST /api/v1/endpoints/{endpoint_id}/replay": Business.ONE_THING,
    "POST /api/v1/events": Business.OWN,
    "GET /api/v1/events": Business.OWN,
    "GET /api/v1/events/stream": Business.OWN,
    "GET /api/v1/events/reading": Business.OWN,
    "PUT /api/v1/events/reading": Business.OWN,
    "GET /api/v1/events/{event_id}": Business.ONE_THING,
    "POST /api/v1/events/{event_id}/replay": Business.ONE_THING,
    "GET /api/v1/holds": Business.OWN,
    "POST /api/v1/holds/{hold_id}/release": Business.ONE_THING,
    "GET /api/v1/gateways": Business.OWN,
    "GET /api/v1/gateway-presets": Business.SHARED,
    "POST /api/v1/gateways": Business.OWN,
    "GET /api/v1/gateways/{gateway_id}": Business.ONE_THING,
    "PATCH /api/v1/gateways/{gateway_id}": Business.ONE_THING,
    "DELETE /api/v1/gateways/{gateway_id}": Business.ONE_THING,
    "POST /api/v1/bounces": Business.ONE_THING,
    "GET /api/v1/suppressions": Business.OWN,
    "POST /api/v1/suppressions": Business.OWN,
    "DELETE /api/v1/suppressions/{suppression_id}": Business.ONE_THING,
    "GET /unsubscribe/{token}": Business.EVERYBODYS,
    "POST /unsubscribe/{token}": Business.EVERYBODYS,
    "GET /receipts/{gateway}/{token}": Business.EVERYBODYS,
    "POST /receipts/{gateway}/{token}": Business.EVERYBODYS,
    "POST /receipts/webhooks/{webhook_id}": Business.EVERYBODYS,
    "GET /api/v1/overview": Business.ADMINS,
    "GET /api/v1/overview/events": Business.ADMINS,
    "GET /api/v1/queues": Business.SHARED,
    "GET /api/v1/queues/{name}": Business.SHARED,
    "PUT /api/v1/queues/{name}": Business.ADMINS,
    "POST /api/v1/queues/{name}/start": Business.ADMINS,
    "POST /api/v1/queues/{name}/stop": Business.ADMINS,
    "POST /api/v1/accounts": Business.EVERYBODYS,
    "POST /api/v1/tokens": Business.EVERYBODYS,
    "GET /api/v1/me": Business.OWN,
    "PATCH /api/v1/me": Business.OWN,
    "GET /api/v1/me/quota": Business.OWN,
    "POST /api/v1/me/webhook-secret/rotate": Business.OWN,
    "POST /api/v1/me/delete": Business.OWN,
    "POST /api/v1/me/proof": Business.OWN,
    "POST /api/v1/password-resets": Business.EVERYBODYS,
    "GET /account/password": Business.EVERYBODYS,
    "POST /account/password": Business.EVERYBODYS,
    "GET /account/password/{token}": Business.EVERYBODYS,
    "POST /account/password/{token}": Business.EVERYBODYS,
    "GET /account/proof/{token}": Business.EVERYBODYS,
    "POST /account/proof/{token}": Business.EVERYBODYS,
    # Its id, which nobody can guess, is the credential: who has deleted an account has none any more.
    "GET /api/v1/deletions/{deletion_id}": Business.EVERYBODYS,
    "PUT /api/v1/me/smtp": Business.OWN,
    "POST /api/v1/me/smtp/test": Business.OWN,
    "GET /api/v1/me/smtp-accounts": Business.OWN,
    "POST /api/v1/me/smtp-accounts": Business.OWN,
    "PUT /api/v1/me/smtp-accounts/{name}": Business.OWN,
    "DELETE /api/v1/me/smtp-accounts/{name}": Business.OWN,
    "POST /api/v1/me/smtp-accounts/{name}/test": Business.OWN,
    "GET /api/v1/me/sessions": Business.OWN,
    "DELETE /api/v1/me/sessions": Business.OWN,
    "DELETE /api/v1/me/sessions/{session_id}": Business.ONE_THING,
    "GET /api/v1/api-keys": Business.OWN,
    "POST /api/v1/api-keys": Business.OWN,
    "DELETE /api/v1/api-keys/{key_id}": Business.ONE_THING,
    "GET /api/v1/users": Business.ADMINS,
    "POST /api/v1/users": Business.ADMINS,
    "GET /api/v1/users/{id}": Business.ADMINS,
    "PATCH /api/v1/users/{id}": Business.ADMINS,
    "DELETE /api/v1/users/{id}": Business.ADMINS,
    "POST /api/v1/users/{id}/disable": Business.ADMINS,
    "POST /api/v1/users/{id}/enable": Business.ADMINS,
    "GET /api/v1/users/{id}/quota": Business.ADMINS,
    "PUT /api/v1/users/{id}/quota": Business.ADMINS,
    "GET /api/v1/users/{id}/api-keys": Business.ADMINS,
    "POST /api/v1/users/{id}/api-keys": Business.ADMINS,
    "DELETE /api/v1/users/{id}/api-keys/{key_id}": Business.ADMINS,
    # Messaging Server
    "GET /": Business.EVERYBODYS,
    "POST /api/v1/messaging": Business.ADMINS,
    "GET /api/v1/list": Business.OWN,
    # message-sending-system
    "GET /messages": Business.OWN,
    "POST /messages": Business.OWN,
    "POST /messages/worker/{action}": Business.ADMINS,
    "GET /status": Business.EVERYBODYS,
    # Job Management System
    "PUT /jobs/start": Business.ADMINS,
    "PUT /jobs/stop": Business.ADMINS,
    "GET /messages/sent": Business.OWN,
    "GET /health-check": Business.EVERYBODYS,
    "GET /health-alive": Business.EVERYBODYS,
    "GET /metrics": Business.ADMINS,
    # Distributed Mail Queue Service
    "GET /healthz/live": Business.EVERYBODYS,
    "GET /healthz/ping": Business.EVERYBODYS,
    "POST /api/v1/register": Business.EVERYBODYS,
    "POST /api/v1/login": Business.EVERYBODYS,
    "GET /api/v1/user/{id}": Business.ONE_ACCOUNT,
    "POST /api/v1/task/enqueue": Business.OWN,
    "GET /api/v1/task/queue": Business.OWN,
    "GET /api/v1/task/queue/fail": Business.OWN,
    # Message Scheduler System
    "POST /echoAtTime": Business.OWN,
}

WEBHOOK: Final = {"channel": "webhook", "recipient": "https://example.com/bobs", "content": "from bob"}
BODIES: Final[Mapping[str, Any]] = {
    "POST /api/v1/messages": WEBHOOK,
    "POST /api/v1/messages/batch": {"messages": [WEBHOOK]},
    "POST /api/v1/messages/cancel": {"all": True},
    "POST /api/v1/messages/retry": {"all": True},
    "POST /api/v1/endpoints": {"url": "https://example.com/bobs", "customer": "*"},
    "PATCH /api/v1/endpoints/{endpoint_id}": {"description": "bob's"},
    "POST /api/v1/endpoints/{endpoint_id}/secret/rotate": {"secret": None},
    "POST /api/v1/endpoints/{endpoint_id}/test": {"type": "bobs.test"},
    "POST /api/v1/endpoints/{endpoint_id}/recover": {"since": 0},
    "POST /api/v1/endpoints/{endpoint_id}/replay": {"since": 0},
    "POST /api/v1/events": {"type": "bobs.event", "payload": "from bob"},
    "POST /api/v1/events/{event_id}/replay": {"endpoint_id": None},
    "PUT /api/v1/events/reading": {"enabled": True},
    "PUT /api/v1/queues/{name}": {"active": False},
    "POST /api/v1/suppressions": {"address": "bobs@example.com"},
    "POST /api/v1/gateways": {"name": "bobs", "preset": "plain", "base_url": "https://example.com/bobs"},
    "PATCH /api/v1/gateways/{gateway_id}": {"enabled": False},
    "PATCH /api/v1/me": {"smtp": None},
    "POST /api/v1/me/delete": {"current_password": "not his"},
    "POST /api/v1/api-keys": {"name": "bob's"},
    "POST /api/v1/users": {"email": "mallory@example.com", "password": PASSWORD, "role": "admin"},
    "PATCH /api/v1/users/{id}": {"role": "admin"},
    "PUT /api/v1/users/{id}/quota": {"per_second": 1000},
    "POST /api/v1/users/{id}/api-keys": {"name": "bob's"},
    "POST /api/v1/messaging": {"action": "stop"},
    "POST /messages": {"content": "from bob", "recipient_phone_number": "+905551111111"},
    "POST /api/v1/task/enqueue": {"recipient_email": "x@example.com", "subject": "from bob", "body": "from bob"},
    "POST /echoAtTime": {"time": "2099-01-01", "message": "from bob"},
}
LAST: Final = frozenset(
    {"DELETE /api/v1/endpoints/{endpoint_id}", "POST /api/v1/users/{id}/disable", "DELETE /api/v1/users/{id}"}
)
"""After which there is nothing more to do with an endpoint, or an account."""
ADAS: Final = "of ada alone"
ADAS_ADDRESS: Final = "ada@example.com"


class Belongings(msgspec.Struct, frozen=True):
    """What Ada has."""

    ada: Person
    waiting: UUID
    cancelled: UUID
    sent: UUID
    key_id: str
    session_id: UUID
    hold_id: UUID
    suppression_id: UUID
    mail: UUID
    change_id: UUID
    endpoint_id: UUID
    event_id: UUID
    gateway_id: str

    @property
    def marks(self) -> list[str]:
        """What shows in an answer that it tells of them."""
        messages = (self.waiting, self.cancelled, self.sent, self.mail)
        things = (
            self.ada.id, *messages, self.key_id, self.session_id, self.hold_id, self.suppression_id, self.change_id,
            self.endpoint_id, self.event_id,
            self.gateway_id,
        )  # fmt: skip
        return [ADAS, ADAS_ADDRESS, *map(str, things)]

    def body(self, name: str) -> Any:
        """The body that a route has: JSON, or a report about their mail."""
        report = POSTFIX.replace(str(MESSAGE_ID).encode(), str(self.mail).encode())
        return report if name == "POST /api/v1/bounces" else BODIES.get(name)

    def paths(self, pattern: str) -> Iterator[str]:
        """The paths that a route has for them."""
        whose = self.ada.id if "/user" in pattern else None
        for message_id in (self.waiting, self.cancelled, self.sent):
            yield pattern.format(
                id=whose or message_id,
                key_id=self.key_id,
                session_id=self.session_id,
                hold_id=self.hold_id,
                suppression_id=self.suppression_id,
                gateway_id=self.gateway_id,
                gateway=self.gateway_id,
                webhook_id=self.gateway_id,
                deletion_id=self.hold_id,
                change_id=self.change_id,
                endpoint_id=self.endpoint_id,
                event_id=self.event_id,
                token="none",
                name="default",
                action="stop",
            )
            if whose or "{id}" not in pattern:
                return


@pytest_asyncio.fixture
async def belongings(app: web.Application, api: Api) -> Belongings:
    """A message of each kind, an SMTP account, a signing secret and a key."""
    store, ada = app[STORE], await join(api, ADAS_ADDRESS)
    await ada.send("PATCH", "/api/v1/me", {"smtp": SMTP})
    await ada.post("/api/v1/me/webhook-secret/rotate")
    key = await ada.post("/api/v1/api-keys", {"name": ADAS})
    waiting, cancelled, sent = await keep(
        store,
        3,
        user_id=ada.id,
        channel="sms",
        recipient="+905551111111",
        content=ADAS,
        due_at=utc_now() + timedelta(days=1),
    )
    await store.status_events.read(ada.id, on=True)
    await store.messages.cancel(cancelled)
    await StatusEvents(store, app[SETTINGS]).fan_out()
    async with store.database.transaction() as connection:
        for change in (
            "status = 'processing', batch_id = gen_random_uuid()",
            f"status = 'sent', batch_id = NULL, sent_at = now(), provider_message_id = '{ADAS}'",
        ):
            await connection.execute(f"UPDATE messages SET {change} WHERE id = $1", sent)
    hold = new_hold(user_id=ada.id, endpoint=f"https://example.com/{ADAS}")
    await store.holds.put([hold])
    [mail] = await keep(store, user_id=ada.id, channel="email", recipient="ida@example.com", content=ADAS)
    await store.suppressions.put(ada.id, {"grace@example.com": ADAS}, SuppressionReason.BOUNCE)
    [suppression] = await store.suppressions.list(ada.id, limit=1)
    await log_in(api, ADAS_ADDRESS)
    [session, _] = await store.sessions.page(UUID(str(ada.id)), before=None, limit=2)
    begun = await store.changes.begin("retry", MessageFilter(user_id=ada.id), user_id=ada.id)
    own = {"name": "own", "preset": "plain", "base_url": "https://example.com/adas", "auth_key": "adas"}
    gateway = await ada.post("/api/v1/gateways", own)
    endpoint = Endpoint(
        id=new_id(),
        user_id=ada.id,
        url="https://example.com/adas",
        description=ADAS,
        secret=Sealed(b"sealed"),
        created_at=utc_now(),
        updated_at=utc_now(),
    )
    await store.endpoints.create(endpoint)
    event = NewEvent(
        id=new_id(), user_id=ada.id, type="a.b", customer="of hers", payload=f'"{ADAS}"', created_at=utc_now()
    )
    await store.events.post(event, FanOut(queue="default", due_at=utc_now(), max_tries=5))
    return Belongings(
        ada, waiting, cancelled, sent, key.body["id"], session.id, hold.id, suppression.id, mail, begun,
        endpoint.id, event.id, gateway.body["id"],
    )  # fmt: skip


@pytest_asyncio.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def routes(app: web.Application) -> Iterator[tuple[str, str, str]]:
    """Method and pattern of every route, and under which name it is listed: HEAD is GET without a body."""
    for route in app.router.routes():
        assert route.resource is not None
        pattern = route.resource.canonical
        yield route.method, pattern, f"{'GET' if route.method == 'HEAD' else route.method} {pattern}"


async def ask(session: aiohttp.ClientSession, who: Person, method: str, path: str, body: Any) -> tuple[int, str]:
    raw = isinstance(body, bytes)
    media_type = {"Content-Type": "message/rfc822"} if raw else JSON if body else {}
    headers = {"Authorization": f"Bearer {who.credential}", **media_type}
    data = body if body is None or raw else msgspec.json.encode(body)
    async with session.request(method, who.api.url.join(URL(path)), data=data, headers=headers) as response:
        # A stream has no end.
        stream = response.content_type == "text/event-stream"
        said = (await response.content.readuntil(b"\n\n")).decode() if stream else await response.text()
        return response.status, f"{dict(response.headers)} {said}"


async def everything_but(store: Store, user_id: UUID | None) -> list[list[str]]:
    """All that is kept of anybody else, as text."""
    async with store.database.pool.acquire() as connection:
        return [
            sorted(str(row) for row in await connection.fetch(statement, user_id))
            for statement in (
                "SELECT * FROM messages WHERE user_id IS DISTINCT FROM $1",
                "SELECT * FROM users WHERE id <> $1",
                "SELECT id, user_id FROM sessions WHERE user_id <> $1",
                "SELECT id, user_id, name, prefix, hash, channels, revoked_at FROM api_keys WHERE user_id <> $1",
                "SELECT * FROM holds WHERE user_id IS DISTINCT FROM $1",
                "SELECT * FROM endpoints WHERE user_id IS DISTINCT FROM $1",
                "SELECT * FROM events WHERE user_id IS DISTINCT FROM $1",
                "SELECT owner FROM event_readers WHERE user_id IS DISTINCT FROM $1",
                "SELECT * FROM suppressions WHERE owner <> coalesce($1, gen_random_uuid())",
                "SELECT queues.* FROM queues WHERE $1::uuid IS NOT NULL",
            )
        ]


def test_it_is_known_whose_business_every_route_is(app: web.Application) -> None:
    assert {name for _, _, name in routes(app)} == ROUTES.keys()


async def test_the_wrong_user(
    app: web.Application, api: Api, session: aiohttp.ClientSession, belongings: Belongings
) -> None:
    bob = await join(api, "bob@example.com")
    program = await bob.key(scopes=list(Scope))
    before = await everything_but(app[STORE], bob.id)
    assert ADAS in str(before)
    expected = {
        Business.ONE_THING: 404,
        Business.ONE_ACCOUNT: 403,
        Business.ADMINS: 403,
        Business.OUR_PAGES: 403,
    }
    for who in (bob, program):
        for method, pattern, name in routes(app):
            business = ROUTES[name]
            if business is Business.EVERYBODYS and method == "POST":
                continue
            if who is bob and name == "DELETE /api/v1/me/sessions":
                continue  # his own would end; his program may
            for path in belongings.paths(pattern):
                status, said = await ask(session, who, method, path, belongings.body(name))
                if business in expected:
                    assert status == expected[business], (method, path, said)
                elif method in {"GET", "HEAD"} and business is not Business.EVERYBODYS:
                    assert status == 200, (method, path, said)
                for mark in belongings.marks:
                    assert mark not in said.replace(path, ""), (method, path)
    assert await everything_but(app[STORE], bob.id) == before


async def test_nobody(app: web.Application, api: Api, session: aiohttp.ClientSession, belongings: Belongings) -> None:
    before = await everything_but(app[STORE], new_id())
    nobody = (stranger(api), Person(api=api, credential=""), Person(api=api, credential="tdg_0123456789abcdef_guess"))
    for who in nobody:
        for method, pattern, name in routes(app):
            for path in belongings.paths(pattern):
                body = belongings.body(name)
                status, said = await ask(session, who, method, path, body)
                if ROUTES[name] is Business.EVERYBODYS:
                    assert status not in {401, 403}, (method, path)
                elif ROUTES[name] is Business.OUR_PAGES:
                    assert status == 403, (method, path)
                else:
                    assert status == 401, (method, path)
                for mark in belongings.marks:
                    assert mark not in said.replace(path, ""), (method, path)
    assert await everything_but(app[STORE], new_id()) == before


async def test_access_is_what_the_handler_declares(
    app: web.Application, api: Api, session: aiohttp.ClientSession, belongings: Belongings
) -> None:
    """Strangers, users and admins at every route: who gets past authentication is in the declaration alone."""
    # Programs, since one of the routes ends sessions.
    user = await belongings.ada.key(scopes=list(Scope))
    root = await (await admin(api)).key(scopes=list(Scope), role="admin")
    someone = {"nobody": stranger(api), "user": user, "admin": root}
    let_in = {
        Access.EVERYBODY: ["nobody", "user", "admin"],
        Access.MEMBERS: ["user", "admin"],
        Access.ADMINS: ["admin"],
    }
    for route, (method, pattern, name) in zip(app.router.routes(), routes(app), strict=True):
        if ROUTES[name] is Business.OUR_PAGES:
            continue  # refused for another reason
        path, admitted = next(belongings.paths(pattern)), []
        if needs_of(route.handler).access is Access.ADMINS:
            # Nobody's account, since its user still has to ask.
            path = path.replace(str(belongings.ada.id), str(new_id()))
        for role, who in someone.items():
            status, said = await ask(session, who, method, path, None)
            if status != 401 and not (status == 403 and (NOT_ADMIN in said or method == "HEAD")):
                admitted.append(role)
        assert admitted == let_in[needs_of(route.handler).access], (method, path)


async def test_the_right_user_and_an_admin(
    app: web.Application, api: Api, session: aiohttp.ClientSession, belongings: Belongings
) -> None:
    """The same requests do go through for whom they are meant, so that a refusal above was for the right reason."""
    root = await admin(api)
    for method, pattern, name in sorted(routes(app), key=lambda route: route[2] in LAST):
        mine = ROUTES[name] in {Business.ONE_THING, Business.ONE_ACCOUNT}
        if mine or ROUTES[name] is Business.ADMINS:
            for path in belongings.paths(pattern):
                status, said = await ask(session, belongings.ada if mine else root, method, path, belongings.body(name))
                assert status < 400 or status == 409, (method, path, said)
    for message_id in (belongings.waiting, belongings.cancelled, belongings.sent):
        for who in (root, operator(api)):
            assert (await who.get(f"/api/v1/messages/{message_id}")).body["content"] == ADAS


async def test_an_idempotency_key_is_ones_own(api: Api) -> None:
    ada, bob = await join(api, ADAS_ADDRESS), await join(api, "bob@example.com")
    made = []
    for who in (ada, bob, ada):
        headers = {"Authorization": f"Bearer {who.credential}", "Idempotency-Key": "the-same"}
        made.append((await api.post("/api/v1/messages", WEBHOOK, **headers)).body["id"])
    assert made[0] == made[2] != made[1]


async def test_lists_begin_where_one_may_see(api: Api, belongings: Belongings) -> None:
    bob = await join(api, "bob@example.com")
    for path in ("/api/v1/list", "/messages", "/messages/sent"):
        async with aiohttp.ClientSession() as session:
            status, said = await ask(session, bob, "GET", f"{path}?before={belongings.sent}", None)
            assert status == 400
            assert ADAS not in said
