"""A client of Distributed Mail Queue Service."""

from typing import Any

from tests.e2e.compat.client import Answer, Client
from tests.eventually import eventually
from tests.integration.channels.smtp_server import HOST, USERNAME, SmtpServer
from tests.integration.channels.smtp_server import PASSWORD as SMTP_PASSWORD

PASSWORD = "a password of the account"


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
