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


@pytest.mark.parametrize(
    ("phase", "code", "text", "expected"),
    [
        (Phase.MAIL, 432, "4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", About.PACE),
        (Phase.GREETING, 421, "4.7.0 Too many connections from your address", About.PACE),
        (Phase.RCPT, 450, "4.7.1 Error: too many messages, slow down", About.PACE),
        (Phase.END_OF_DATA, 421, "4.7.28 Our system has detected an unusual rate limit", About.PACE),
        (Phase.MAIL, 451, "4.7.500 Throttled: too fast", About.PACE),
        (Phase.RCPT, 450, "4.2.1 The user you try to reach gets mail too quickly", About.MESSAGE),
        (Phase.RCPT, 451, "4.7.1 Greylisted, please try again in 300 seconds", About.MESSAGE),
        (Phase.RCPT, 452, "4.5.3 Too many recipients", About.MESSAGE),
        (Phase.MAIL, 554, "5.7.1 rate limit exceeded", About.ENDPOINT),
    ],
)
def test_a_server_that_is_sent_too_much_sets_a_rate(phase: Phase, code: int, text: str, expected: About) -> None:
    assert _about(refusal(phase, code, text)) is expected


@pytest.mark.parametrize("phase", [Phase.RSET, Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.END_OF_DATA])
def test_no_reply_to_a_mail_speaks_of_its_account_there(phase: Phase) -> None:
    assert _about(interrupted(phase, "timed out")) is About.ENDPOINT
