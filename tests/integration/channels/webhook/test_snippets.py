"""docs/webhooks.md: how receivers verify, run against a real message of an endpoint whose secret was just replaced.

Go, PHP and Ruby are run where they are installed.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web

from tests.docs.blocks import ROOT, blocks
from tests.integration.channels.receivers import web_receiver
from tests.unit.channels.doubles import delivery
from tidings.channels.base import Accepted, ChannelContext, NoEndpoints
from tidings.channels.http.transport import Transport
from tidings.channels.webhook.channel import WebhookChannel
from tidings.domain.endpoint import Endpoint
from tidings.domain.ids import new_id
from tidings.domain.timestamps import utc_now
from tidings.security.secretbox import Purpose, SecretBox, new_key
from tidings.settings import Settings

KEY = new_key()
OLD, NEW, WRONG = (
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
)
PAYLOAD = '{ "text": "Grüße", "total": 12.50 }'


class Message(msgspec.Struct, frozen=True):
    """What came to a receiver."""

    headers: Mapping[str, str]
    body: str

    @property
    def parts(self) -> list[str]:
        """What is verified besides the body."""
        return [self.headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature")]


class OneEndpoint(NoEndpoints):
    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def known(self, endpoint_id: UUID) -> Endpoint | None:
        return self._endpoint if endpoint_id == self._endpoint.id else None

    async def get(self, endpoint_id: UUID) -> Endpoint | None:
        return self.known(endpoint_id)


@pytest_asyncio.fixture
async def message(transport: Transport) -> Message:
    received: list[Message] = []

    async def receive(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        received.append(Message(headers, (await request.read()).decode()))
        return web.Response(status=204)

    box, now, endpoint_id = SecretBox((KEY,)), utc_now(), new_id()
    async with web_receiver(receive) as url:
        endpoint = Endpoint(
            id=endpoint_id,
            user_id=None,
            url=url,
            secret=box.seal(NEW, Purpose.WEBHOOK_SECRET, endpoint_id),
            previous_secret=box.seal(OLD, Purpose.WEBHOOK_SECRET, endpoint_id),
            previous_until=now + timedelta(hours=1),
            created_at=now,
            updated_at=now,
        )
        context = ChannelContext(
            settings=Settings(secret_keys=(KEY,)),
            transport=transport,
            operators_transport=transport,
            endpoints=OneEndpoint(endpoint),
        )
        sent = delivery(
            channel="webhook",
            recipient="https://example.com/before",
            content=PAYLOAD,
            endpoint_id=endpoint_id,
            event_id=new_id(),
        )
        assert await WebhookChannel(context).deliver(sent) == Accepted(status_code=204)
    [came] = received
    return came


def snippet(language: str) -> str:
    [text] = [block.text for block in blocks(ROOT / "docs/webhooks.md") if block.language == language]
    return text


def run(directory: Path, *command: str) -> bool:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode in {0, 1}, done.stderr
    assert done.stdout.strip() in {"good", ""}, done.stdout
    return done.stdout.strip() == "good"


def python(directory: Path, secret: str, message: Message) -> bool:
    (directory / "verify.py").write_text(
        f"{snippet('python')}\nimport json, sys\nsecret, headers, body = json.load(open('message.json'))\n"
        "assert verify(secret, headers, body.encode())['total'] == 12.5\nprint('good')\n"
    )
    (directory / "message.json").write_text(json.dumps([secret, dict(message.headers), message.body]))
    return run(directory, sys.executable, "verify.py")


def node(directory: Path, secret: str, message: Message) -> bool:
    (directory / "verify.js").write_text(
        f"{snippet('javascript')}\nconst [secret, headers, body] = require('./message.json');\n"
        "if (verify(secret, headers, Buffer.from(body)).total === 12.5) console.log('good');\n"
    )
    (directory / "message.json").write_text(json.dumps([secret, dict(message.headers), message.body]))
    return run(directory, "node", "verify.js")


def java(directory: Path, secret: str, message: Message) -> bool:
    (directory / "Main.java").write_text(
        f"{snippet('java')}\nclass Main {{ public static void main(String[] a) throws Exception {{\n"
        "if (Verifier.isGood(a[0], a[1], a[2], a[3], a[4].getBytes(StandardCharsets.UTF_8)))"
        ' System.out.println("good"); } }\n'
    )
    if not (directory / "Main.class").exists():
        run(directory, "javac", "-encoding", "UTF-8", "Main.java")
    options = ("-Dsun.jnu.encoding=UTF-8", "-Dfile.encoding=UTF-8", "-cp", ".")
    return run(directory, "env", "LC_ALL=C.UTF-8", "java", *options, "Main", secret, *message.parts, message.body)


def php(directory: Path, secret: str, message: Message) -> bool:
    function, _, _ = snippet("php").partition("\n}\n")
    (directory / "verify.php").write_text(
        f"<?php\n{function}\n}}\nif (verify(...array_slice($argv, 1))) echo 'good';\n"
    )
    return run(directory, "php", "verify.php", secret, *message.parts, message.body)


def ruby(directory: Path, secret: str, message: Message) -> bool:
    (directory / "verify.rb").write_text(f"{snippet('ruby')}\nputs 'good' if verified?(*ARGV)\n")
    return run(directory, "ruby", "verify.rb", secret, *message.parts, message.body)


@pytest.mark.parametrize(
    ("tool", "verify"), [("python3", python), ("node", node), ("javac", java), ("php", php), ("ruby", ruby)]
)
def test_a_receiver_verifies_by_either_secret_and_by_no_other(
    tool: str, verify: Callable[[Path, str, Message], bool], message: Message, tmp_path: Path
) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    old = msgspec.structs.replace(message, headers={**message.headers, "webhook-timestamp": "1700000000"})
    other = msgspec.structs.replace(message, body=message.body.replace("12.50", "1.50"))
    assert [verify(tmp_path, *each) for each in ((NEW, message), (OLD, message))] == [True, True]
    assert [verify(tmp_path, *each) for each in ((WRONG, message), (NEW, old), (NEW, other))] == [False] * 3
