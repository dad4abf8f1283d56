"""Servers that say something of the account or of themselves."""

from typing import Final

from tests.integration.channels.smtp.zoo.animal import (
    ACCOUNT,
    CLOSE,
    ENDPOINT,
    HANG,
    HOST,
    PACE,
    RESET,
    STARTTLS,
    UNKNOWN,
    Animal,
    Steps,
    ehlo,
)
from tidings.domain.account import Tls

TLS: Final[dict[str, Steps]] = {**ehlo(b"STARTTLS"), "STARTTLS": (b"220 Go\r\n", STARTTLS)}

SERVERS: Final[dict[str, list[Animal]]] = {
    "Of the account": [
        Animal(
            name="a wrong password, which is sent once",
            says={"AUTH": (b"535 5.7.8 No\r\n",)},
            outcome=ACCOUNT,
            then=ACCOUNT,
            error="AUTH: refused with 535 5.7.8",
        ),
        Animal(
            name="`535 … Connection lost to authentication server`, once",
            at_first={
                "AUTH": (b"535 5.7.8 Error: authentication failed: Connection lost to authentication server\r\n",)
            },
            outcome=HOST,
            connections=2,
        ),
        Animal(
            name="`454` to the login, once",
            at_first={"AUTH": (b"454 4.7.0 Later\r\n",)},
            outcome=ACCOUNT,
            connections=2,
        ),
        Animal(name="no login offered", says=ehlo(b"8BITMIME"), outcome=ACCOUNT, then=ACCOUNT, connections=2),
        Animal(
            name="XOAUTH2 only",
            says=ehlo(b"AUTH XOAUTH2"),
            outcome=ACCOUNT,
            then=ACCOUNT,
            connections=2,
            error="AUTH: the server takes no password, only XOAUTH2",
        ),
        Animal(name="offers PLAIN and refuses it (504)", by_turn={"AUTH": (None,)}, says={**ehlo(b"AUTH PLAIN LOGIN")}),
        Animal(
            name="`504` to LOGIN, which it offers",
            by_turn={"AUTH": ((b"504 5.5.4 Not that one\r\n",), None)},
        ),
        Animal(
            name="asks for the name and the password of LOGIN",
            says={
                **ehlo(b"AUTH LOGIN"),
                "AUTH": (b"334 VXNlcm5hbWU6\r\n",),
            },
            by_turn={"challenge": ((b"334 UGFzc3dvcmQ6\r\n",), None)},
        ),
        Animal(
            name="asks again for what PLAIN has sent",
            says={**ehlo(b"AUTH PLAIN"), "AUTH": (b"334 \r\n",)},
        ),
        Animal(name="CRAM-MD5 only", says={**ehlo(b"AUTH CRAM-MD5"), "AUTH": (b"334 PDEuMkB6b28udGVzdD4=\r\n",)}),
        Animal(
            name="a challenge of CRAM-MD5 that is none",
            says={**ehlo(b"AUTH CRAM-MD5"), "AUTH": (b"334 A\r\n",)},
            outcome=HOST,
            then=HOST,
            connections=2,
        ),
        Animal(
            name="challenges without end",
            says={"AUTH": (b"334 \r\n",), "challenge": (b"334 \r\n",)},
            outcome=HOST,
            then=HOST,
            connections=2,
        ),
        Animal(
            name="`530` at MAIL: a login is needed",
            says={"MAIL": (b"530 5.7.0 Authentication required\r\n",)},
            password=False,
            outcome=ACCOUNT,
            then=ACCOUNT,
            connections=2,
        ),
        Animal(
            name="`550 5.4.5` at MAIL: the daily quota",
            says={"MAIL": (b"550 5.4.5 Daily sending quota exceeded\r\n",)},
            outcome=ACCOUNT,
            then=ACCOUNT,
            connections=2,
        ),
        Animal(
            name="`454 Throttling failure: Daily message quota exceeded` at MAIL",
            says={"MAIL": (b"454 Throttling failure: Daily message quota exceeded.\r\n",)},
            outcome=ACCOUNT,
            then=ACCOUNT,
            connections=2,
        ),
        Animal(
            name="`554 5.7.0 … Try again later` to the mail",
            says={"mail": (b"554 5.7.0 Too many recipients today. Try again later\r\n",)},
            outcome=ACCOUNT,
            then=ACCOUNT,
            connections=2,
        ),
        Animal(
            name="`552 5.2.2` at MAIL: the sender's mailbox is full",
            says={"MAIL": (b"552 5.2.2 Over quota\r\n",)},
            outcome=ACCOUNT,
            then=ACCOUNT,
            connections=2,
        ),
        Animal(
            name="relays for nobody",
            says={"RCPT": (b"554 5.7.1 <reader@example.org>: Relay access denied\r\n",)},
            outcome=ENDPOINT,
            then=ENDPOINT,
            connections=1,
        ),
        Animal(
            name="`550 … Sender verify failed` at the recipient",
            says={"RCPT": (b"550-Verification failed for <ada@example.com>\r\n550 Sender verify failed\r\n",)},
            outcome=ENDPOINT,
            then=ENDPOINT,
            connections=1,
        ),
        Animal(
            name="`550 5.2.1` at MAIL: the sender's mailbox is disabled",
            says={"MAIL": (b"550 5.2.1 <ada@example.com> Mailbox disabled\r\n",)},
            outcome=ENDPOINT,
            then=ENDPOINT,
            connections=2,
        ),
    ],
    "Its pace": [
        Animal(
            name="3 connections at a time, `421` to others",
            at_once=3,
            surplus={"greeting": (b"421 4.7.0 Too many connections\r\n", CLOSE)},
            mails=20,
            connections=None,
        ),
        Animal(
            name="3 mails at a time, `432` to others",
            says={"mail": (0.03, b"250 Ok\r\n")},
            at_once=3,
            surplus={"mail": (b"432 4.3.2 Concurrent connections limit exceeded\r\n",)},
            mails=20,
            connections=None,
        ),
        Animal(
            name="`454 Throttling failure` at MAIL, once",
            at_first={"MAIL": (b"454 Throttling failure: Maximum sending rate exceeded.\r\n",)},
            outcome=PACE,
            connections=2,
        ),
        Animal(
            name="`450 … too much mail` at the recipient, once",
            by_turn={"RCPT": ((b"450 4.7.1 Error: too much mail from 192.0.2.1\r\n",), None)},
            outcome=PACE,
        ),
    ],
    "Of the server": [
        Animal(
            name="`554 5.3.0 … queue file write error` to the mail, once",
            at_first={"mail": (b"554 5.3.0 Error: queue file write error\r\n",)},
            outcome=ENDPOINT,
            connections=2,
        ),
        Animal(
            name="`554` as its greeting",
            says={"greeting": (b"554 No\r\n", CLOSE)},
            outcome=HOST,
            then=HOST,
            connections=2,
        ),
        Animal(
            name="`421` as its greeting, once",
            at_first={"greeting": (b"421 Busy\r\n", CLOSE)},
            outcome=HOST,
            connections=2,
        ),
        Animal(
            name="no greeting, once",
            at_first={"greeting": (HANG,)},
            outcome=HOST,
            connections=2,
            error="greeting: timed out",
        ),
        Animal(name="closes at once, once", at_first={"greeting": (CLOSE,)}, outcome=HOST, connections=2),
        Animal(
            name="speaks HTTP",
            says={"greeting": (b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", CLOSE)},
            outcome=HOST,
            then=HOST,
            connections=2,
        ),
        Animal(name="`550` to EHLO", says={"EHLO": (b"550 5.7.1 No\r\n",)}, outcome=HOST, then=HOST, connections=2),
        Animal(
            name="`504` to EHLO and HELO: it wants another name",
            says={"EHLO": (b"504 5.5.2 Need a host name\r\n",), "HELO": (b"504 5.5.2 Need a host name\r\n",)},
            outcome=HOST,
            then=HOST,
            connections=2,
        ),
        Animal(
            name="speaks LMTP",
            says={"EHLO": (b"500 5.5.1 Use LHLO\r\n",), "HELO": (b"500 5.5.1 Use LHLO\r\n",)},
            outcome=HOST,
            then=HOST,
            connections=2,
        ),
        *(
            Animal(name=f"closes at {verb}, once", at_first={verb: (CLOSE,)}, outcome=about, connections=2)
            for about, verbs in ((HOST, ("EHLO", "AUTH")), (ENDPOINT, ("MAIL", "RCPT", "DATA")))
            for verb in verbs
        ),
        *(
            Animal(name=f"silent at {verb}, once", at_first={verb: (HANG,)}, outcome=about, connections=2)
            for about, verbs in ((HOST, ("EHLO", "AUTH")), (ENDPOINT, ("MAIL", "RCPT", "DATA")))
            for verb in verbs
        ),
        Animal(
            name="resets while the mail comes, once",
            at_first={"DATA": (b"354 Go\r\n", 0.02, RESET)},
            outcome=UNKNOWN,
            copies=0,
            connections=2,
        ),
        Animal(
            name="closes after the mail, once", at_first={"mail": (CLOSE,)}, outcome=UNKNOWN, copies=1, connections=2
        ),
        Animal(
            name="silent after the mail, once", at_first={"mail": (HANG,)}, outcome=UNKNOWN, copies=1, connections=2
        ),
        Animal(
            name="half a reply to the mail, once",
            at_first={"mail": (b"250", CLOSE)},
            outcome=UNKNOWN,
            copies=1,
            connections=2,
        ),
    ],
    "Not SMTP": [
        Animal(name="a reply that is none, once", at_first={"RCPT": (b"hello\r\n",)}, outcome=ENDPOINT, connections=2),
        Animal(
            name="bytes at random, once",
            at_first={"MAIL": (bytes(range(14, 200)) + b"\r\n",)},
            outcome=ENDPOINT,
            connections=2,
        ),
        Animal(name="code 999, once", at_first={"MAIL": (b"999 Who knows\r\n",)}, outcome=ENDPOINT, connections=2),
        Animal(name="code -25, once", at_first={"MAIL": (b"-25 Who knows\r\n",)}, outcome=ENDPOINT, connections=2),
        Animal(
            name="a line of 40 kB, once",
            at_first={"MAIL": (b"250 " + b"x" * 40_000 + b"\r\n",)},
            outcome=ENDPOINT,
            connections=2,
        ),
        Animal(
            name="lines without end, once",
            at_first={"MAIL": (b"250-x\r\n" * 10_000, HANG)},
            outcome=ENDPOINT,
            connections=2,
        ),
        Animal(
            name="lines without end, slowly, once",
            at_first={"MAIL": (b"250-x\r\n", 0.1) * 40},
            outcome=ENDPOINT,
            connections=2,
            error="MAIL: timed out",
        ),
        Animal(
            name="two replies to MAIL in one packet, once",
            at_first={"MAIL": (b"250 Ok\r\n250 Ok\r\n",)},
            outcome=ENDPOINT,
            connections=2,
            error="RCPT: the server replies twice to one command",
        ),
        Animal(
            name="`250` right after `354`, and the mail refused, once",
            at_first={"DATA": (b"354 Go\r\n250 Ok\r\n",), "mail": (b"554 5.7.1 No\r\n",)},
            outcome=ENDPOINT,
            connections=2,
        ),
        Animal(name="two replies to a mail in one packet", says={"mail": (b"250 Ok\r\n250 Ok\r\n",)}, connections=2),
        Animal(
            name="a second reply a moment later", says={"mail": (b"250 Ok\r\n", 0.02, b"250 Ok\r\n")}, connections=None
        ),
    ],
    "TLS": [
        Animal(
            name="STARTTLS",
            says={**TLS, "EHLO": (b"250-zoo.test\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n",)},
            serves="starttls",
        ),
        Animal(
            name="STARTTLS with replies injected before it",
            says={
                "EHLO": (b"250-zoo.test\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n",),
                "STARTTLS": (b"220 Go\r\n250-evil.test\r\n250 AUTH CRAM-MD5\r\n", STARTTLS),
            },
            serves="starttls",
        ),
        Animal(
            name="`454` to STARTTLS",
            says={**TLS, "STARTTLS": (b"454 4.7.0 Not now\r\n",)},
            outcome=HOST,
            then=HOST,
            connections=2,
        ),
        Animal(
            name="closes after STARTTLS",
            says={**TLS, "STARTTLS": (b"220 Go\r\n", CLOSE)},
            outcome=HOST,
            then=HOST,
            connections=2,
        ),
        Animal(
            name="no TLS after STARTTLS",
            says={**TLS, "STARTTLS": (b"220 Go\r\n", 0.02, b"250 Just kidding\r\n", HANG)},
            outcome=HOST,
            then=HOST,
            connections=2,
            error="TLS: failed: what the server sends is not TLS",
        ),
        Animal(
            name="no login behind STARTTLS", says=TLS, serves="starttls", outcome=ACCOUNT, then=ACCOUNT, connections=2
        ),
        Animal(
            name="a certificate of nobody known",
            says=TLS,
            serves="unknown",
            outcome=HOST,
            then=HOST,
            connections=2,
            error="TLS: failed: unable to get local issuer certificate",
        ),
        Animal(name="TLS from the first byte, at any port", serves="implicit", tls=Tls.IMPLICIT),
        Animal(name="TLS 1.2 only", serves="1.2", tls=Tls.IMPLICIT),
        Animal(
            name="no TLS where the account says that there is",
            tls=Tls.IMPLICIT,
            outcome=HOST,
            then=HOST,
            connections=2,
            error="TLS: failed: what the server sends is not TLS",
        ),
    ],
}
