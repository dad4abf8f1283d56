"""tidings/channels/smtp/replies.py: what replies speak of, as servers word them."""

import pytest

from tidings.channels.base import About
from tidings.channels.smtp.errors import OutcomeUnknownError, PermanentError, interrupted, refusal
from tidings.channels.smtp.replies import Phase, queue_id

FINAL, AGAIN = True, False


@pytest.mark.parametrize(
    ("phase", "reply", "about", "final"),
    [
        # The server
        (Phase.GREETING, "554 No SMTP service here", About.HOST, AGAIN),
        (Phase.GREETING, "421 4.3.2 Service shutting down", About.HOST, AGAIN),
        (Phase.GREETING, "451 ESMTP MailEnable Service temporarily refused connection", About.HOST, AGAIN),
        (Phase.EHLO, "550 5.7.1 Access denied", About.HOST, AGAIN),
        (
            Phase.EHLO,
            "504 5.5.2 <[127.0.0.1]>: Helo command rejected: need fully-qualified hostname",
            About.HOST,
            AGAIN,
        ),
        (Phase.TLS, "454 4.7.0 TLS not available due to local problem", About.HOST, AGAIN),
        (Phase.RCPT, "421 4.4.2 timeout exceeded", About.HOST, AGAIN),
        (
            Phase.AUTH,
            "535 5.7.8 Error: authentication failed: Connection lost to authentication server",
            About.HOST,
            AGAIN,
        ),
        # The account
        (Phase.AUTH, "535 5.7.8 Error: authentication failed", About.ACCOUNT, AGAIN),
        (
            Phase.AUTH,
            "535 5.7.139 Authentication unsuccessful, basic authentication is disabled.",
            About.ACCOUNT,
            AGAIN,
        ),
        (Phase.AUTH, "534 5.7.9 Application-specific password required", About.ACCOUNT, AGAIN),
        (Phase.AUTH, "454 4.7.0 Temporary authentication failure", About.ACCOUNT, AGAIN),
        (Phase.AUTH, "500 Unknown command", About.ACCOUNT, AGAIN),
        (Phase.MAIL, "530 5.7.0 Authentication Required", About.ACCOUNT, AGAIN),
        (Phase.MAIL, "530 5.7.57 Client not authenticated to send mail", About.ACCOUNT, AGAIN),
        (Phase.MAIL, "552 5.2.2 Over quota", About.ACCOUNT, AGAIN),
        (Phase.MAIL, "550 5.4.5 Daily sending quota exceeded.", About.ACCOUNT, AGAIN),
        (Phase.END_OF_DATA, "550 5.4.5 Daily user sending limit exceeded.", About.ACCOUNT, AGAIN),
        (Phase.DATA, "554 5.7.1 <DATA>: Data command rejected: only 10 messages per day", About.ACCOUNT, AGAIN),
        (Phase.END_OF_DATA, "554 5.7.0 Your message could not be sent. Try again later", About.ACCOUNT, AGAIN),
        (
            Phase.END_OF_DATA,
            "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException",
            About.ACCOUNT,
            AGAIN,
        ),
        (
            Phase.END_OF_DATA,
            "554 5.2.252 SendAsDenied; a@x.test not allowed to send as b",
            About.ENDPOINT,
            AGAIN,
        ),
        (Phase.MAIL, "553 5.7.1 <a@b.test>: Sender address rejected: not owned by user c", About.ENDPOINT, AGAIN),
        (Phase.END_OF_DATA, "451 Authentication failed: Maximum credits exceeded", About.ACCOUNT, AGAIN),
        (Phase.END_OF_DATA, "454 4.7.0 Throttling failure: Daily message quota exceeded.", About.ACCOUNT, AGAIN),
        (Phase.MAIL, "454 Throttling failure: Daily message quota exceeded.", About.ACCOUNT, AGAIN),
        (Phase.RCPT, "454 Throttling failure: Daily message quota exceeded.", About.ACCOUNT, AGAIN),
        (Phase.RCPT, "450 4.7.1 <a@b.test>: Policy Rejection- Quota Exceeded.", About.ACCOUNT, AGAIN),
        (Phase.MAIL, "550 User suspended", About.ACCOUNT, AGAIN),
        (Phase.RCPT, "554 5.7.1 <r@x.test>: Relay access denied", About.ENDPOINT, AGAIN),
        (Phase.RCPT, "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain", About.ENDPOINT, AGAIN),
        (Phase.MAIL, "553 5.7.1 <a@b.test>: Sender address rejected: not logged in", About.ACCOUNT, AGAIN),
        (Phase.RCPT, "553 5.7.1 <a@b.test>: Sender address rejected: not logged in", About.ACCOUNT, AGAIN),
        (
            Phase.RCPT,
            "550 Domain b.test has exceeded the max emails per hour (250/250 (100%)) allowed. Message discarded.",
            About.ACCOUNT,
            AGAIN,
        ),
        (
            Phase.RCPT,
            "451 4.7.1 Domain b.test has exceeded the max emails per hour (250/250 (100%)) allowed.",
            About.ACCOUNT,
            AGAIN,
        ),
        (Phase.RCPT, "550 Sending limit reached: you have exceeded your hourly limit", About.ACCOUNT, AGAIN),
        (Phase.RCPT, "550 5.4.6 Unusual sending activity detected. Please try after sometime", About.ACCOUNT, AGAIN),
        (
            Phase.MAIL,
            "450 Requested mail action not taken: mailbox unavailable. Mail send limit exceeded.",
            About.ACCOUNT,
            AGAIN,
        ),
        (Phase.MAIL, "550 5.1.8 Access denied, bad outbound sender", About.ACCOUNT, AGAIN),
        (Phase.RCPT, "550 5.7.501 Access denied, spam abuse detected", About.ACCOUNT, AGAIN),
        (
            Phase.END_OF_DATA,
            "554 5.2.0 STOREDRV.Submission.Exception:OutboundSpamException; Failed to process message",
            About.ACCOUNT,
            AGAIN,
        ),
        (Phase.END_OF_DATA, "554 Message rejected: Sending paused for this account.", About.ACCOUNT, AGAIN),
        (Phase.DATA, "550 Requested action not taken: insufficient credits", About.ACCOUNT, AGAIN),
        # Of the client, its name or the sender, whichever command it is said to
        (
            Phase.RCPT,
            "504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname",
            About.ENDPOINT,
            AGAIN,
        ),
        (
            Phase.RCPT,
            "554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied",
            About.ENDPOINT,
            AGAIN,
        ),
        (
            Phase.RCPT,
            "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using list.test",
            About.ENDPOINT,
            AGAIN,
        ),
        (Phase.RCPT, "550 5.1.8 <a@b.test>: Sender address rejected: Domain not found", About.ENDPOINT, AGAIN),
        (Phase.MAIL, "553 5.1.8 Domain of sender address a@b.test does not exist", About.ENDPOINT, AGAIN),
        (Phase.MAIL, "553 Relaying disallowed as a@b.test", About.ENDPOINT, AGAIN),
        (Phase.RCPT, "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", About.ENDPOINT, AGAIN),
        (Phase.MAIL, "550 The from address does not match a verified Sender Identity.", About.ENDPOINT, AGAIN),
        (Phase.END_OF_DATA, "554 Message rejected: Email address is not verified.", About.ENDPOINT, AGAIN),
        (Phase.MAIL, "500 unrecognized command", About.ENDPOINT, AGAIN),
        (Phase.DATA, "503 5.5.1 Bad sequence of commands", About.ENDPOINT, AGAIN),
        (
            Phase.RCPT,
            "550 5.1.1 <r@x.test>: Recipient address rejected: host mx.x.test said: 550 Client host rejected",
            About.MESSAGE,
            FINAL,
        ),
        # Of the sender's address or the client, in other servers' words
        (
            Phase.RCPT,
            "550 Verification failed for <a@b.test>\nNo Such User Here\nSender verify failed",
            About.ENDPOINT,
            AGAIN,
        ),
        (Phase.RCPT, "550 Sender verify failed", About.ENDPOINT, AGAIN),
        (
            Phase.RCPT,
            "550 Callback setup failed while verifying <a@b.test>\nSender verify failed",
            About.ENDPOINT,
            AGAIN,
        ),
        (Phase.RCPT, "553 sorry, your envelope sender is in my badmailfrom list (#5.7.1)", About.ENDPOINT, AGAIN),
        (Phase.RCPT, "553 sorry, your envelope sender domain must exist (#5.1.8)", About.ENDPOINT, AGAIN),
        (
            Phase.RCPT,
            "554 5.1.0 Sender denied as sender's email address is on SenderFilterConfig list",
            About.ENDPOINT,
            AGAIN,
        ),
        (Phase.END_OF_DATA, "550 5.7.1 Sender ID (PRA) Not Permitted", About.ENDPOINT, AGAIN),
        (
            Phase.RCPT,
            "550 5.7.23 The message was rejected because of Sender Policy Framework violation",
            About.ENDPOINT,
            AGAIN,
        ),
        (
            Phase.END_OF_DATA,
            "550 5.7.26 Unauthenticated email from b.test is not accepted due to domain's DMARC policy.",
            About.ENDPOINT,
            AGAIN,
        ),
        (
            Phase.END_OF_DATA,
            "550 5.7.515 Access denied, sending domain b.test doesn't meet the required authentication level",
            About.ENDPOINT,
            AGAIN,
        ),
        (Phase.RCPT, "550 5.7.1 Fix reverse DNS for 192.0.2.1", About.ENDPOINT, AGAIN),
        (Phase.RCPT, "550 5.7.606 Access denied, banned sending IP [192.0.2.1]", About.ENDPOINT, AGAIN),
        (Phase.RCPT, "550 rejected because 192.0.2.1 is in a black list at list.test", About.ENDPOINT, AGAIN),
        (
            Phase.RCPT,
            "554 5.7.1 Service unavailable; Sender address [a@b.test] blocked using list.test",
            About.ENDPOINT,
            AGAIN,
        ),
        (Phase.MAIL, "550 5.2.1 <a@b.test> mailbox disabled", About.ENDPOINT, AGAIN),
        (Phase.MAIL, "550 5.1.0 <a@b.test> sender rejected", About.ENDPOINT, AGAIN),
        (Phase.MAIL, "550 5.1.1 <a@b.test> user unknown", About.ENDPOINT, AGAIN),
        (Phase.MAIL, "550 5.7.1 <a@b.test>... Access denied", About.ENDPOINT, AGAIN),
        (Phase.MAIL, "501 5.1.7 Invalid address", About.ENDPOINT, AGAIN),
        (Phase.MAIL, "553 5.5.4 <a>... Domain name required for sender address a", About.ENDPOINT, AGAIN),
        (Phase.MAIL, "553 5.6.7 Address not supported without SMTPUTF8", About.MESSAGE, FINAL),
        (Phase.MAIL, "552 sorry, that message size exceeds my databytes limit (#5.3.4)", About.ENDPOINT, FINAL),
        (Phase.MAIL, "550 Message too large", About.ENDPOINT, FINAL),
        # Of the server's own state, with a code for good
        (Phase.END_OF_DATA, "554 5.3.0 Error: queue file write error", About.ENDPOINT, AGAIN),
        (Phase.END_OF_DATA, "550 5.3.0 Mail system error", About.ENDPOINT, AGAIN),
        (Phase.END_OF_DATA, "554 5.3.1 Mail system full", About.ENDPOINT, AGAIN),
        (Phase.END_OF_DATA, "550 5.3.5 System incorrectly configured", About.ENDPOINT, AGAIN),
        (Phase.END_OF_DATA, "554 Internal server error", About.ENDPOINT, AGAIN),
        (
            Phase.END_OF_DATA,
            "554 5.6.0 id=08998-05 from MTA(smtp:[127.0.0.1]:10025): 554 5.3.0 Error: queue file write error",
            About.MESSAGE,
            AGAIN,
        ),
        (Phase.DATA, "554 Insufficient disk space; try again later", About.ENDPOINT, AGAIN),
        (Phase.END_OF_DATA, "550 System busy", About.ENDPOINT, AGAIN),
        (Phase.RCPT, "553 5.7.1 Greylisted, please try again in 5 minutes", About.MESSAGE, AGAIN),
        (Phase.RCPT, "550 Requested action not taken: mailbox temporarily unavailable", About.MESSAGE, AGAIN),
        (Phase.RCPT, "550 5.1.1 No such user; check the address and try again", About.MESSAGE, FINAL),
        (Phase.RCPT, "550 Recipient not found, please try again", About.MESSAGE, FINAL),
        (Phase.RCPT, "550 5.3.0 Rejected", About.MESSAGE, FINAL),
        (Phase.RCPT, "550 Requested action not taken: mailbox unavailable", About.MESSAGE, FINAL),
        (Phase.RCPT, "550 5.7.133 Sender not authenticated for group", About.MESSAGE, FINAL),
        (Phase.END_OF_DATA, "554 5.3.0 Rejected as spam", About.ENDPOINT, FINAL),
        (Phase.END_OF_DATA, "554 mail server permanently rejected message (#5.3.0)", About.ENDPOINT, FINAL),
        (Phase.END_OF_DATA, "550 5.3.4 Message too big for system", About.ENDPOINT, FINAL),
        # Its pace
        (Phase.GREETING, "421 4.7.0 mail.test Error: too many connections from 192.0.2.1", About.PACE, AGAIN),
        (Phase.GREETING, "421 Too many concurrent SMTP connections; please try again later.", About.PACE, AGAIN),
        (Phase.GREETING, "421 4.4.5 Service unavailable, concurrency limit reached", About.PACE, AGAIN),
        (Phase.END_OF_DATA, "432 4.3.2 Concurrent connections limit exceeded.", About.PACE, AGAIN),
        (Phase.END_OF_DATA, "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", About.PACE, AGAIN),
        (Phase.MAIL, "454 Throttling failure: Maximum sending rate exceeded.", About.PACE, AGAIN),
        (
            Phase.MAIL,
            "421 4.4.2 Message submission rate for this client has exceeded the configured limit",
            About.PACE,
            AGAIN,
        ),
        (Phase.MAIL, "450 4.7.1 Error: too much mail from 192.0.2.1", About.PACE, AGAIN),
        (Phase.RCPT, "450 4.7.1 <a@b.test>: Recipient address rejected: Rate limit exceeded", About.PACE, AGAIN),
        (Phase.AUTH, "454 4.7.0 Too many login attempts, please try again later.", About.PACE, AGAIN),
        (Phase.RCPT, "450 4.7.1 Error: too many messages, slow down", About.PACE, AGAIN),
        (Phase.END_OF_DATA, "421 4.7.28 Our system has detected an unusual rate limit", About.PACE, AGAIN),
        (Phase.MAIL, "451 4.7.500 Throttled: too fast", About.PACE, AGAIN),
        (Phase.MAIL, "554 5.7.1 rate limit exceeded", About.PACE, AGAIN),
        # This mail
        (Phase.RCPT, "450 4.2.1 The user you try to reach gets mail too quickly", About.MESSAGE, AGAIN),
        (Phase.RCPT, "452 4.5.3 Too many recipients", About.MESSAGE, AGAIN),
        (Phase.RCPT, "552 5.5.3 Too many recipients", About.MESSAGE, AGAIN),
        (Phase.RCPT, "552 Too many recipients", About.MESSAGE, AGAIN),
        (Phase.END_OF_DATA, "550 5.5.3 Too many recipients", About.ENDPOINT, FINAL),
        (Phase.RCPT, "550 5.1.1 No such user", About.MESSAGE, FINAL),
        (Phase.RCPT, "550 User unknown", About.MESSAGE, FINAL),
        (Phase.RCPT, "551 User not local", About.MESSAGE, FINAL),
        (Phase.RCPT, "550 Account disabled", About.MESSAGE, FINAL),
        (Phase.RCPT, "554 5.2.1 User account suspended", About.MESSAGE, FINAL),
        (Phase.RCPT, "550 5.7.1 Blocked by the recipient", About.MESSAGE, FINAL),
        (Phase.RCPT, "550 5.2.1 The account that you tried to reach is disabled", About.MESSAGE, FINAL),
        (Phase.RCPT, "451 4.7.1 Greylisting in action, please come back in 300 seconds", About.MESSAGE, AGAIN),
        (Phase.RCPT, "450 4.2.0 Mailbox busy", About.MESSAGE, AGAIN),
        (Phase.RCPT, "552 5.2.2 The mailbox is over quota", About.MESSAGE, AGAIN),
        (Phase.RCPT, "452 4.2.2 The recipient's inbox is out of storage", About.MESSAGE, AGAIN),
        (Phase.END_OF_DATA, "552 5.2.2 Mailbox full", About.MESSAGE, AGAIN),
        (Phase.END_OF_DATA, "552 Mailbox quota exceeded", About.MESSAGE, AGAIN),
        (Phase.RCPT, "552 Over quota", About.MESSAGE, AGAIN),
        (Phase.MAIL, "552 Over quota", About.ACCOUNT, AGAIN),
        (Phase.END_OF_DATA, "550 5.1.1 <x@y.test> User doesn't exist", About.MESSAGE, FINAL),
        (Phase.END_OF_DATA, "554 5.6.0 Malformed", About.MESSAGE, FINAL),
        (Phase.END_OF_DATA, "554 5.7.1 Spam message rejected", About.ENDPOINT, FINAL),
        (Phase.END_OF_DATA, "552 5.3.4 Message too big", About.ENDPOINT, FINAL),
        (Phase.END_OF_DATA, "452 4.3.1 Insufficient system storage", About.ENDPOINT, AGAIN),
        (Phase.MAIL, "451 4.3.0 Later", About.ENDPOINT, AGAIN),
        (Phase.MAIL, "552 5.3.4 Message size exceeds fixed limit", About.ENDPOINT, FINAL),
    ],
)
def test_a_refusal(phase: Phase, reply: str, about: About, *, final: bool) -> None:
    failure = refusal(phase, int(reply[:3]), reply[4:])
    assert (failure.about, isinstance(failure, PermanentError)) == (about, final)


def test_a_quota_that_is_used_up_is_named() -> None:
    of_plan = refusal(Phase.MAIL, 454, "Throttling failure: Daily message quota exceeded.")
    assert str(of_plan) == "MAIL: refused with 454: the account's quota is used up"
    assert str(refusal(Phase.MAIL, 550, "User suspended")) == "MAIL: refused with 550"


@pytest.mark.parametrize(
    "reply",
    [
        "452 4.4.5 Maximum number of messages per session exceeded.",
        "550 5.7.1 Too many messages in this session",
        "451-Requested action aborted\n451 Mails per session limit",
        "421 4.7.0 Too many messages on this connection",
        "450 4.5.3 Error: too many recipients in this session",
    ],
)
def test_a_session_that_has_carried_enough(reply: str) -> None:
    for phase in (Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.END_OF_DATA):
        failure = refusal(phase, int(reply[:3]), reply[4:])
        assert failure.of_session
        assert not isinstance(failure, PermanentError)


@pytest.mark.parametrize("phase", [Phase.CONNECT, Phase.GREETING, Phase.TLS, Phase.EHLO, Phase.AUTH])
def test_no_reply_before_the_login_is_done_speaks_of_the_host(phase: Phase) -> None:
    assert interrupted(phase, "timed out").about is About.HOST


@pytest.mark.parametrize("phase", [Phase.RSET, Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.END_OF_DATA])
def test_no_reply_to_a_mail_speaks_of_its_account_there(phase: Phase) -> None:
    failure = interrupted(phase, "timed out")
    assert failure.about is About.ENDPOINT
    assert isinstance(failure, OutcomeUnknownError) == (phase is Phase.END_OF_DATA)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("2.0.0 Ok: queued as 4Dxq1T0ZzQz9rxP", "4Dxq1T0ZzQz9rxP"),
        ("Ok: queued as nhIMmON9SFOPcT0ii4nt2A", "nhIMmON9SFOPcT0ii4nt2A"),
        ("OK queued as a08b7f37-ed61-423a-ba75-38ed2fd4b54c", "a08b7f37-ed61-423a-ba75-38ed2fd4b54c"),
        ("Ok: queued as <1b2c@mail.test>", "1b2c@mail.test"),
        ("2.0.0 Ok: queued on smtp3m.mail.yandex.net as 1430081058-6ltgNFKSir", "1430081058-6ltgNFKSir"),
        ("OK id=1qABCD-000123-AB", "1qABCD-000123-AB"),
        ("Ok 010001668cbaf1d3-7fadface-8253-49c5-ba34-000000", "010001668cbaf1d3-7fadface-8253-49c5-ba34-000000"),
        ("2.0.0 OK  1663251234 si12345.45 - gsmtp", "si12345.45"),
        (
            "2.0.0 OK 1663251234 ffacd0b85a97d-36d2728ab0fsi1176860f8f.752 - gsmtp",
            "ffacd0b85a97d-36d2728ab0fsi1176860f8f.752",
        ),
        (
            (
                "2.6.0 <a1b2@mail.test> [InternalId=123456, Hostname=AB1.outlook.test] 8123 bytes in 0.2, 30 KB/sec "
                "Queued mail for delivery"
            ),
            "a1b2@mail.test",
        ),
        ("2.6.0  <000001d0@mail.test> Queued mail for delivery", "000001d0@mail.test"),
        ("2.0.0 xAB12345678 Message accepted for delivery", "xAB12345678"),
        ("2.0.0: 1a2b3c4d Message accepted for delivery", "1a2b3c4d"),
        ("ok 1430081058 qp 12345", "1430081058 qp 12345"),
        ("2.0.0 OK: queued 2K6C7TNVWUIRJYGYXJ6K4TYT", "2K6C7TNVWUIRJYGYXJ6K4TYT"),
        ("Message Queued (7E3A0F5C-0A1B-4C2D-8E3F-5A6B7C8D9E0F.1)", "7E3A0F5C-0A1B-4C2D-8E3F-5A6B7C8D9E0F.1"),
        ("2.0.0 Thanks\nfor everything\nOk: queued as AB12CD", "AB12CD"),
        ("2.0.0 OK", None),
        ("Message queued", None),
        ("2.0.0 Message accepted for delivery", None),
        ("Queued mail for delivery", None),
        ("", None),
    ],
)
def test_the_id_that_a_server_gives_a_mail(reply: str, expected: str | None) -> None:
    assert queue_id(reply) == expected


@pytest.mark.parametrize(
    ("reply", "seconds"),
    [
        ("450 4.2.0 Greylisted, please try again in 300 seconds", 300),
        ("451 4.7.1 Greylisted for 5 minutes", 300),
        ("451 4.7.1 Greylisting in action, please come back in 00:05:00", 300),
        ("450 Try again after 60s", 60),
        ("452 4.3.1 wait 2 hours", 3600),
        ("421 4.7.0 Too many connections, retry in 10 mins", 600),
        ("454 4.7.0 Temporary failure; wait at least 1 minute", 60),
        ("451 4.7.1 try again later", None),
        ("421-4.7.0 Try again later, closing connection. 41spm8qk - gsmtp", None),
        ("450 4.7.1 too many messages in the last 5 minutes", None),
        ("451 4.3.0 queue file 300 seconds old", None),
        ("550 5.7.1 try again in 300 seconds", None),
    ],
)
def test_how_long_a_reply_asks_to_wait(reply: str, seconds: float | None) -> None:
    failure = refusal(Phase.RCPT, int(reply[:3]), reply[4:])
    assert failure.delay == seconds


@pytest.mark.parametrize(
    ("phase", "reply", "sure"),
    [
        (Phase.RCPT, "550 5.1.1 User unknown", True),
        (Phase.RCPT, "551 5.1.6 User has moved", True),
        (Phase.RCPT, "556 5.1.10 Recipient address has a null MX", True),
        (Phase.RCPT, "550 5.1.2 No such domain", False),
        (Phase.RCPT, "550 5.2.1 Mailbox disabled", False),
        (Phase.RCPT, "550 5.7.1 Rejected as spam", False),
        (Phase.RCPT, "550 User unknown", False),
        (Phase.RCPT, "450 4.1.1 User unknown, try later", False),
        (Phase.RCPT, "550 5.1.1 relaying denied", False),
        (Phase.MAIL, "550 5.1.1 Sender unknown", False),
        (Phase.END_OF_DATA, "550 5.1.1 User unknown", False),
    ],
)
def test_which_refusal_says_for_sure_that_there_is_no_mailbox(phase: Phase, reply: str, sure: bool) -> None:
    assert refusal(phase, int(reply[:3]), reply[4:]).no_mailbox is sure
