"""The mail servers of animals.py: what comes of each, and that no delivery outlives its time limits"""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Final

import msgspec
import pytest
import trustme

from tests.integration.channels.smtp.mailing import BOX, KEY, USER, Senders, delivery
from tests.integration.channels.smtp.zoo import page
from tests.integration.channels.smtp.zoo.animal import CLOSE, REJECTED, RETRY, SENT, UNANSWERED, Animal, Outcome
from tests.integration.channels.smtp.zoo.animals import ANIMALS
from tests.integration.channels.smtp.zoo.cage import Cage
from tests.integration.channels.smtp_server import PASSWORD, USERNAME
from tidings.channels.base import Accepted, ChannelContext, Rejected, Result
from tidings.channels.email.channel import EmailChannel
from tidings.channels.http.transport import Transport
from tidings.domain.account import SmtpAccount
from tidings.security.secretbox import Purpose
from tidings.settings import Settings

COMMAND: Final = 0.6
ANSWER: Final = 0.8
DELIVERY: Final = 2.5
LONGEST: Final = 2 * (DELIVERY + ANSWER)
"""Of one mail, with a wait for a connection."""


class Seen(msgspec.Struct):
    """What came of a visit."""

    results: list[Result]
    copies: list[int]
    connections: int
    refusals: int


async def visit(animal: Animal, authority: trustme.CA, ca_file: Path, transport: Transport) -> Seen:
    cage = Cage(animal, authority)
    implicit = cage.tls if animal.tls is not None else None
    server = await asyncio.start_server(cage.serve, "127.0.0.1", 0, ssl=implicit, limit=1_000_000)
    account = SmtpAccount(
        host="127.0.0.1",
        port=server.sockets[0].getsockname()[1],
        username=USERNAME if animal.password else None,
        password=BOX.seal(PASSWORD, Purpose.SMTP_PASSWORD, USER) if animal.password else None,
        tls=animal.tls,
    )
    settings = Settings(
        smtp_ca_file=str(ca_file),
        smtp_allow_cidrs=("127.0.0.0/8",),
        secret_keys=(KEY,),
        connect_timeout=1,
        smtp_command_timeout=COMMAND,
        smtp_answer_timeout=ANSWER,
        smtp_delivery_timeout=DELIVERY,
    )
    channel = EmailChannel(
        ChannelContext(settings=settings, transport=transport, operators_transport=transport, senders=Senders(account))
    )
    mails = [delivery() for _ in range(animal.mails)]
    try:
        if animal.at_once is not None:
            results = list(await asyncio.gather(*(_within(channel.deliver(mail), LONGEST) for mail in mails)))
        else:
            results = []
            for mail in mails:
                results.append(await _within(channel.deliver(mail), LONGEST))
                # For what comes unasked.
                await asyncio.sleep(0.05)
    finally:
        await channel.close()
        server.close()
        await cage.close()
    return Seen(results, [cage.copies[str(mail.id)] for mail in mails], cage.connections, cage.refusals.total())


async def _within(result: Awaitable[Result], seconds: float) -> Result:
    async with asyncio.timeout(seconds):
        return await result


def outcome(result: Result) -> Outcome:
    if isinstance(result, Accepted):
        return Outcome(SENT)
    if isinstance(result, Rejected):
        return Outcome(REJECTED, result.about)
    return Outcome(UNANSWERED if result.unanswered else RETRY, result.about)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("zoo") / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return file


@pytest.mark.parametrize(
    "animal", [pytest.param(animal, id=animal.name) for animals in ANIMALS.values() for animal in animals]
)
async def test_each_server(animal: Animal, authority: trustme.CA, ca_file: Path, transport: Transport) -> None:
    seen = await visit(animal, authority, ca_file, transport)
    first, *others = map(outcome, seen.results)
    assert (first, set(others)) == (animal.outcome, {animal.then}), seen.results
    copied = [page.copies(animal), *[int(animal.then.kind == SENT)] * (animal.mails - 1)]
    assert seen.copies == copied
    if animal.connections is not None:
        assert seen.connections == animal.connections
    failed = seen.results[0]
    assert isinstance(failed, Accepted) or failed.error.startswith(animal.error)


def test_the_document_in_docs_is_up_to_date() -> None:
    assert page.FILE.read_text("utf-8") == page.render(), "run: python -m tests.integration.channels.smtp.zoo"


def test_names_are_told_apart() -> None:
    names = [animal.name for animals in ANIMALS.values() for animal in animals]
    assert len(set(names)) == len(names) >= 80


@pytest.mark.parametrize(
    "animal",
    [
        Animal(
            name="10 mails a session",
            by_turn={"DATA": (*[None] * 10, (b"452 4.4.5 Maximum number of messages per session exceeded\r\n",))},
        ),
        Animal(
            name="5 mails a session",
            by_turn={"MAIL": (*[None] * 5, (b"550 5.7.1 Too many messages in this session\r\n",))},
        ),
        Animal(
            name="3 mails at a time",
            says={"mail": (0.01, b"250 Ok\r\n")},
            surplus={"mail": (b"432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded\r\n",)},
        ),
        Animal(name="3 connections at a time", surplus={"greeting": (b"421 4.7.0 Too many connections\r\n", CLOSE)}),
    ],
    ids=lambda animal: animal.name,
)
async def test_two_hundred_mails_at_once(
    animal: Animal, authority: trustme.CA, ca_file: Path, transport: Transport
) -> None:
    crowd = msgspec.structs.replace(animal, at_once=3 if animal.surplus else 200, mails=200)
    seen = await visit(crowd, authority, ca_file, transport)
    assert {type(result) for result in seen.results} == {Accepted}
    assert set(seen.copies) == {1}
    assert seen.refusals <= 20, "what a server refuses is learned, so it is not asked for again and again"
