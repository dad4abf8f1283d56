"""tidings/channels/email/channel.py: what a refusal of a mail server speaks of."""

import pytest

from tidings.channels.base import About
from tidings.channels.email.channel import _about
from tidings.channels.smtp.errors import Phase, interrupted, refusal


@pytest.mark.parametrize(
    ("phase", "code", "expected"),
    [
        (Phase.GREETING, 554, About.HOST),
        (Phase.EHLO, 450, About.HOST),
        (Phase.AUTH, 454, About.ACCOUNT),
        (Phase.AUTH, 535, About.ACCOUNT),
        (Phase.MAIL, 451, About.ENDPOINT),
        (Phase.RCPT, 451, About.MESSAGE),
        (Phase.RCPT, 550, About.MESSAGE),
        (Phase.RCPT, 421, About.HOST),
        (Phase.END_OF_DATA, 452, About.ENDPOINT),
    ],
)
def test_a_reply(phase: Phase, code: int, expected: About) -> None:
    assert _about(refusal(phase, code, "4.7.1 later")) is expected


@pytest.mark.parametrize("phase", [Phase.CONNECT, Phase.GREETING, Phase.TLS, Phase.EHLO, Phase.AUTH])
def test_no_reply_before_the_login_is_done_speaks_of_the_host(phase: Phase) -> None:
    assert _about(interrupted(phase, "timed out")) is About.HOST


@pytest.mark.parametrize("phase", [Phase.RSET, Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.END_OF_DATA])
def test_no_reply_to_a_mail_speaks_of_its_account_there(phase: Phase) -> None:
    assert _about(interrupted(phase, "timed out")) is About.ENDPOINT
