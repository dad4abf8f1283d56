"""People who use an API, each with a credential."""

from typing import Any
from uuid import UUID

import msgspec

from tests.integration.api.client import JSON, Answer, Api

OPERATORS_KEY = "the key of the operator"
PASSWORD = "correct horse battery staple"
SMTP = {"host": "mail.example.com", "port": 587, "username": "ada", "password": "swordfish of smtp"}


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with a bearer token or an API key."""

    api: Api
    credential: str
    email: str = ""
    id: UUID | None = None

    async def send(self, method: str, path: str, body: Any = None) -> Answer:
        headers = {"Authorization": f"Bearer {self.credential}", **({} if body is None else JSON)}
        return await self.api.send(method, path, headers=headers, body=body)

    async def get(self, path: str) -> Answer:
        return await self.send("GET", path)

    async def post(self, path: str, body: Any = None) -> Answer:
        return await self.send("POST", path, body)

    async def key(self, **wanted: Any) -> "Person":
        """A program with a key of theirs."""
        made = await self.post("/api/v1/api-keys", {"name": "program", **wanted})
        assert made.status == 201, made.body
        return msgspec.structs.replace(self, credential=made.body["key"])


def operator(api: Api) -> Person:
    """Whoever has `API_KEY`."""
    return Person(api=api, credential=OPERATORS_KEY)


def stranger(api: Api) -> Person:
    """Somebody with a token that nobody gave."""
    return Person(api=api, credential="made up")


async def log_in(api: Api, email: str, password: str = PASSWORD) -> Person:
    """Logs in; answers who that is now."""
    answer = await api.post("/api/v1/tokens", {"email": email, "password": password})
    assert answer.status == 201, answer.body
    return Person(api=api, credential=answer.body["token"], email=email, id=UUID(answer.body["user_id"]))


async def join(api: Api, email: str = "ada@example.com") -> Person:
    """Registers and logs in; the operator knows whose the address is."""
    answer = await api.post("/api/v1/accounts", {"email": email, "password": PASSWORD})
    assert answer.status in {201, 202}, answer.body
    person = await log_in(api, email)
    proven = await operator(api).send("PATCH", f"/api/v1/users/{person.id}", {"email_proven": True})
    # An API without the operator's key does without.
    assert proven.status in {200, 401}, proven.body
    return person


async def admin(api: Api, email: str = "root@example.com") -> Person:
    """A user whom the operator made an admin."""
    answer = await operator(api).post("/api/v1/users", {"email": email, "password": PASSWORD, "role": "admin"})
    assert answer.status == 201, answer.body
    return await log_in(api, email)
