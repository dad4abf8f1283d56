"""tidings smtp test: by the operator's account, and by those of users"""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import trustme

from sql.store import Store
from tests.integration.channels.smtp.conftest import authority
from tests.integration.channels.smtp_server import HOST, PASSWORD, USERNAME, Security, SmtpServer, smtp_server
from tidings.cli.smtp import TrialError, shown, try_out
from tidings.domain.account import SmtpAccount
from tidings.domain.ids import new_id
from tidings.security.secretbox import Purpose, SecretBox, new_key
from tidings.settings import Settings

__all__ = ["authority"]


@pytest.fixture
async def server(authority: trustme.CA) -> AsyncIterator[SmtpServer]:
    async with smtp_server(Security.STARTTLS, authority) as server:
        yield server


@pytest.fixture
def settings(settings: Settings, authority: trustme.CA, tmp_path: Path) -> Settings:
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    # Of a deployment that is more than this machine: the operator's account may be inside the network all the same.
    return msgspec.structs.replace(settings, smtp_ca_file=str(ca_file), secret_keys=(new_key(),), host="0.0.0.0")


async def test_the_operators_account(settings: Settings, server: SmtpServer) -> None:
    url = f"smtp://{USERNAME.replace('@', '%40')}:{PASSWORD}@{HOST}:{server.port}"
    settings = msgspec.structs.replace(settings, smtp_url=url, smtp_from="The shop <shop@example.com>")
    trial = await try_out(settings, to="ada@example.com", email=None, name=None)
    assert trial.error is None
    assert shown(trial).startswith("the server took the mail after")
    [mail] = server.mails
    assert (mail.message["From"], mail.recipients) == ("The shop <shop@example.com>", ["ada@example.com"])
    server.fail("RCPT", "550 5.7.1 Not you")
    refused = shown(await try_out(settings, to="ada@example.com", email=None, name=None))
    assert "ended at RCPT" in refused
    assert refused.endswith("550 5.7.1 Not you")


async def test_an_account_of_a_user(settings: Settings, store: Store, server: SmtpServer) -> None:
    settings = msgspec.structs.replace(settings, smtp_allow_cidrs=("127.0.0.0/8",))
    user_id = new_id()
    sealed = SecretBox(settings.secret_keys).seal(PASSWORD, Purpose.SMTP_PASSWORD, user_id)
    await store.users.create(user_id=user_id, email="ada@example.com", password_hash="argon2")
    shop = SmtpAccount(name="shop", host=HOST, port=server.port, username=USERNAME, password=sealed)
    await store.smtp_accounts.put(user_id, shop)
    for name in (None, "shop"):
        assert (await try_out(settings, to=None, email="ada@example.com", name=name)).error is None
    assert [mail.recipients for mail in server.mails] == [["ada@example.com"]] * 2
    with pytest.raises(TrialError, match="no SMTP account 'news'"):
        await try_out(settings, to=None, email="ada@example.com", name="news")


@pytest.mark.parametrize(
    ("to", "email", "error"),
    [
        ("ada@example.com", None, "SMTP_URL is not set"),
        ("nobody", None, "is not an e-mail address"),
        (None, "grace@example.com", "user grace@example.com does not exist"),
    ],
)
async def test_what_cannot_be_tried(
    to: str | None, email: str | None, error: str, settings: Settings, store: Store
) -> None:
    with pytest.raises(TrialError, match=error):
        await try_out(settings, to=to, email=email, name=None)
    assert not await store.users.any()


async def test_the_operator_has_to_say_to_whom(settings: Settings) -> None:
    settings = msgspec.structs.replace(settings, smtp_url=f"smtp://{HOST}", smtp_from="a@example.com")
    with pytest.raises(TrialError, match="say whom the mail is to"):
        await try_out(settings, to=None, email=None, name=None)
