"""What the tests of Distributed Mail Queue Service share: its client, and a system with a mail server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trustme

from tests.e2e.compat.client import Answer, Client
from tests.e2e.compat.running import fresh_system
from tests.e2e.system import System
from tests.eventually import eventually
from tests.integration.consumers.channels.smtp_server import HOST, USERNAME, SmtpServer
from tests.integration.consumers.channels.smtp_server import PASSWORD as SMTP_PASSWORD
from tidings.embedded import EmbeddedStores
from tidings.secretbox import new_key

PASSWORD = "a password of the account"


@asynccontextmanager
async def mail_queue(
    stores: EmbeddedStores, template_database: str, folder: Path, authority: trustme.CA, **environ: str
) -> AsyncIterator[System]:
    """A system that trusts mail servers of this authority."""
    authority_file = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(authority_file))
    async with fresh_system(
        stores,
        template_database,
        folder,
        SECRET_KEYS=new_key(),
        SMTP_CA_FILE=str(authority_file),
        SMTP_ALLOW_CIDRS="127.0.0.0/8",
        LOGINS_PER_EMAIL="0",
        LOGINS_PER_ADDRESS="0",
        RETRY_DELAYS="0.3",
        **environ,
    ) as system:
        yield system


def registration(email: str, port: int, /, **changes: Any) -> dict[str, Any]:
    return {
        "email": email,
        "password": PASSWORD,
        "smtp_host": HOST,
        "smtp_port": port,
        "smtp-username": USERNAME,
        "smtp-password": SMTP_PASSWORD,
        **changes,
    }


def subjects(server: SmtpServer) -> list[str]:
    """Of the mails that a server has taken."""
    return [str(mail.message["Subject"]) for mail in server.mails]


def data(answer: Answer, status: int = 200) -> Any:
    """What a success holds."""
    assert (answer.status, answer.json.keys(), answer.json["status"]) == (status, {"data", "status"}, status)
    return answer.json["data"]


def error(answer: Answer, status: int) -> str:
    """What an error says."""
    assert (answer.status, answer.json.keys(), answer.json["status"]) == (status, {"error", "status"}, status)
    text: str = answer.json["error"]
    assert text
    return text


class User:
    """Somebody who has registered and logged in."""

    def __init__(self, client: Client, user_id: str) -> None:
        self.client = client
        self.id = user_id

    @classmethod
    async def joins(cls, client: Client, email: str, port: int, /, **changes: Any) -> "User":
        data(await client.post("/api/v1/register", registration(email, port, **changes)), 201)
        login = data(await client.post("/api/v1/login", {"email": email, "password": PASSWORD}))
        assert login.keys() == {"id", "token"}
        return cls(client.with_headers(Authorization=f"Bearer {login['token']}"), login["id"])

    async def enqueue(self, subject: str, recipient: str = "recipient@example.com", **fields: Any) -> str:
        """Posts a mail; answers its id."""
        mail = {"recipient_email": recipient, "subject": subject, "body": f"About {subject}.", **fields}
        return str(data(await self.client.post("/api/v1/task/enqueue", mail))["task_id"])

    async def tasks(self, path: str = "/api/v1/task/queue") -> dict[str, dict[str, Any]]:
        """The user's tasks, by id, in the order of the list."""
        return {task["task_id"]: task for task in data(await self.client.get(path))["tasks"]}

    async def until_status(self, task_id: str, status: int) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            task = (await self.tasks())[task_id]
            return task if task["status"] == status else None

        found = await eventually(look)
        assert found is not None
        return found
