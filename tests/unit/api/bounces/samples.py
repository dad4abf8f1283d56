"""Reports in the shapes in which mail servers and mailbox providers write them, all about one message."""

from textwrap import dedent
from uuid import UUID

MESSAGE_ID = UUID("0197d7a4-5b3e-7c41-9f0a-2b6c8d1e4f70")
_OURS = f"<{MESSAGE_ID}@sender.example>"


def _report(status: str, *, returned: str = "", head: str = "", kind: str = "message/delivery-status") -> bytes:
    report_type = "feedback-report" if "feedback" in kind else "delivery-status"
    text = f"""\
From: MAILER-DAEMON@mx.example.net
To: news@sender.example
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type={report_type};
\tboundary="B_1"
{head}
This is a MIME-encapsulated message.

--B_1
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--B_1
Content-Type: {kind}

{dedent(status)}
--B_1
{returned or _returned()}
--B_1--
"""
    return text.replace("\n", "\r\n").encode()


def _returned(kind: str = "message/rfc822", message_id: str = _OURS) -> str:
    return (
        f"Content-Type: {kind}\n\nReturn-Path: <news@sender.example>\nReceived: from a by b\n"
        f"From: news@sender.example\nTo: ida@example.com\nSubject: News\nMessage-ID: {message_id}\n\nHello\n"
    )


POSTFIX = _report(
    """\
    Reporting-MTA: dns; mail.sender.example
    X-Postfix-Queue-ID: 4Vb2Zk1Fq9z2xJ
    X-Postfix-Sender: rfc822; news@sender.example
    Arrival-Date: Sat, 28 Nov 2026 12:00:00 +0000 (UTC)

    Final-Recipient: rfc822; ida@example.com
    Original-Recipient: rfc822;Ida@Example.com
    Action: failed
    Status: 5.1.1
    Remote-MTA: dns; mx.example.com
    Diagnostic-Code: smtp; 550 5.1.1 <ida@example.com>: Recipient address rejected:
        User unknown in virtual mailbox table
    """
)

POSTFIX_DELAYED = _report(
    """\
    Reporting-MTA: dns; mail.sender.example

    Final-Recipient: rfc822; ida@example.com
    Action: delayed
    Status: 4.4.1
    Diagnostic-Code: X-Postfix; connect to mx.example.com[192.0.2.1]:25: Connection timed out
    Will-Retry-Until: Thu, 3 Dec 2026 12:00:00 +0000 (UTC)
    """,
    returned=_returned("text/rfc822-headers"),
)

POSTFIX_EXPIRED = _report(
    """\
    Reporting-MTA: dns; mail.sender.example

    Final-Recipient: rfc822; ida@example.com
    Action: failed
    Status: 4.4.1
    Diagnostic-Code: X-Postfix; connect to mx.example.com[192.0.2.1]:25: Connection timed out
    """
)

EXIM = _report(
    """\
    Reporting-MTA: dns; exim.sender.example

    Action: failed
    Final-Recipient: rfc822;ida@example.com
    Status: 5.0.0
    Remote-MTA: dns; mx.example.com
    Diagnostic-Code: smtp; 550 No such user here
    """,
    head="X-Failed-Recipients: ida@example.com\nAuto-Submitted: auto-replied",
    kind="message/global-delivery-status",
)

EXIM_TIMEOUT = _report(
    """\
    Reporting-MTA: dns; exim.sender.example

    Action: failed
    Final-Recipient: rfc822;ida@example.com
    Status: 5.0.0
    Remote-MTA: dns; 127.0.0.1
    Diagnostic-Code: smtp; 450 TEMPERROR: retry timeout exceeded
    """
)

EXIM_SILENT_TIMEOUT = _report(
    """\
    Reporting-MTA: dns; exim.sender.example

    Action: failed
    Final-Recipient: rfc822;ida@example.com
    Status: 5.0.0
    """
).replace(b"could not be delivered.", b"could not be delivered: retry timeout exceeded")

EXCHANGE = _report(
    """\
    Reporting-MTA: dns;AM0PR04MB1234.eurprd04.prod.outlook.com
    Received-From-MTA: dns;mail.sender.example
    Arrival-Date: Sat, 28 Nov 2026 12:00:00 +0000

    Final-Recipient: rfc822;ida@example.com
    Action: failed
    Status: 5.1.10
    Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient
     ida@example.com not found by SMTP address lookup
    X-Display-Name: Ida
    """,
    # It returns no mail; what it replies to says which it was.
    returned="Content-Type: text/plain\n\nDiagnostic information for administrators\n",
    head=f"Content-Language: en-US\nIn-Reply-To: {_OURS}\nReferences: {_OURS}\nX-MS-Exchange-Message-Is-Ndr:",
)

GMAIL = _report(
    """\
    Reporting-MTA: dns; googlemail.com
    Arrival-Date: Sat, 28 Nov 2026 04:00:00 -0800 (PST)
    X-Original-Message-ID: <0197d7a4-5b3e-7c41-9f0a-2b6c8d1e4f70@sender.example>

    Final-Recipient: rfc822; ida@example.com
    Action: failed
    Status: 5.1.1
    Remote-MTA: dns; gmail-smtp-in.l.google.com. (2a00:1450::1a, the server for the domain example.com.)
    Diagnostic-Code: smtp; 550-5.1.1 The email account that you tried to reach does not exist. Please try
     550-5.1.1 double-checking the recipient's email address for typos or
     550 5.1.1 unnecessary spaces. NoSuchUser
    Last-Attempt-Date: Sat, 28 Nov 2026 04:00:01 -0800 (PST)
    """,
    head=f"X-Failed-Recipients: ida@example.com\nIn-Reply-To: {_OURS}\nReferences: {_OURS}",
)

SES = _report(
    """\
    Reporting-MTA: dns; a8-50.smtp-out.amazonses.com

    Action: failed
    Final-Recipient: rfc822; ida@example.com
    Diagnostic-Code: smtp; 550 5.1.1 user unknown
    Status: 5.1.1
    """,
    # It gives mail an id of its own: the address alone that the report came for says which it was.
    returned=_returned(message_id="<010001939a3b1c2d-1f2e3d4c-0000@email.amazonses.com>"),
).replace(b"To: news@sender.example", f"To: bounces+{MESSAGE_ID}@sender.example".encode(), 1)

SEVERAL = _report(
    """\
    Reporting-MTA: dns; mail.sender.example

    Final-Recipient: rfc822; ida@example.com
    Action: failed
    Status: 5.1.1

    Final-Recipient: rfc822; grace@example.com
    Action: delivered
    Status: 2.0.0

    Final-Recipient: rfc822; full@example.com
    Action: failed
    Status: 5.2.2
    Diagnostic-Code: smtp; 552 5.2.2 mailbox full

    Final-Recipient: rfc822; stranger@example.net
    Action: failed
    Status: 5.1.1
    """
)

DELIVERED = _report(
    """\
    Reporting-MTA: dns; mail.sender.example

    Final-Recipient: rfc822; ida@example.com
    Action: delivered
    Status: 2.1.5
    """
)

SPAM_BLOCK = _report(
    """\
    Reporting-MTA: dns; mail.sender.example

    Final-Recipient: rfc822; ida@example.com
    Action: failed
    Status: 5.7.1
    Diagnostic-Code: smtp; 550 5.7.1 Service unavailable; client host blocked using a list
    """
)

NON_ENGLISH = (
    _report(
        """\
        Reporting-MTA: dns; mx.bücher.example

        Original-Recipient: utf-8;j\\x{F6}rg@b\\x{FC}cher.example
        Final-Recipient: utf-8;jörg@bücher.example
        Action: failed
        Status: 5.1.1
        Diagnostic-Code: smtp; 550 5.1.1 Empfänger unbekannt: «jörg»
        """,
        kind="message/global-delivery-status",
        returned=_returned("message/global-headers"),
        head="Subject: =?utf-8?B?6YWN5L+h5LiN6IO9?=",
    )
    .replace(b"I'm sorry to have to inform you", "申し訳ありませんが".encode())
    .replace(b"charset=us-ascii", b"charset=utf-8")
)

COMPLAINT = _report(
    """\
    Feedback-Type: abuse
    User-Agent: SomeGenerator/1.0
    Version: 1
    Original-Mail-From: <news@sender.example>
    Original-Rcpt-To: <ida@example.com>
    Arrival-Date: Sat, 28 Nov 2026 12:00:00 +0000
    Source-IP: 192.0.2.1
    """,
    kind="message/feedback-report",
)

REDACTED_COMPLAINT = _report("Feedback-Type: abuse\nUser-Agent: x/1\nVersion: 0.1\n", kind="message/feedback-report")

NOT_SPAM = _report(
    "Feedback-Type: not-spam\nVersion: 1\nOriginal-Rcpt-To: ida@example.com\n", kind="message/feedback-report"
)
