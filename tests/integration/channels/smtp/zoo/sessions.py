"""Servers that say something of one session or one mail."""

from typing import Final

from tests.integration.channels.smtp.zoo.animal import (
    CLOSE,
    ENDPOINT,
    HANG,
    MESSAGE,
    NOT_SO,
    NOT_THIS,
    RESET,
    Animal,
    ehlo,
    singly,
)

MAILS: Final[dict[str, list[Animal]]] = {
    "Ordinary ones": [
        Animal(name="as it should be"),
        Animal(name="no extensions at all", says=ehlo(), password=False),
        Animal(name="500 to EHLO: HELO follows", says={"EHLO": (b"500 What?\r\n",)}, password=False),
        Animal(name="502 to EHLO: HELO follows", says={"EHLO": (b"502 5.5.1 No\r\n",)}, password=False),
        Animal(name="replies of several lines", says={"MAIL": (b"250-yes\r\n250-well\r\n250 ok\r\n",)}),
        Animal(name="a greeting of several lines", says={"greeting": (b"220-zoo.test\r\n220-Be kind\r\n220 Go\r\n",)}),
        Animal(name="replies without a text", says={"MAIL": (b"250\r\n",), "RCPT": (b"250 \r\n",)}),
        Animal(name="line ends without CR", says={"MAIL": (b"250 Ok\n",), "mail": (b"250 Ok\n",)}),
        Animal(name="each byte by itself", says={"MAIL": singly(b"250-a\r\n250 b\r\n"), "mail": singly(b"250 Ok\r\n")}),
        Animal(name="a pause between the lines of a reply", says={"RCPT": (b"250-a\r\n25", 0.05, b"0 b\r\n")}),
        Animal(name="bytes that are no text", says={"MAIL": (b"250 \xff\x00\xfe Ok\r\n",)}),
        Animal(name="252 for the recipient", says={"RCPT": (b"252 Cannot verify\r\n",)}),
        Animal(name="200 extensions", says=ehlo(*(b"X-%d" % n for n in range(200)), b"AUTH PLAIN")),
        Animal(name="`AUTH=` as it was once written", says=ehlo(b"AUTH=PLAIN LOGIN")),
        Animal(name="extensions in lower case", says=ehlo(b"auth plain", b"size 1000000")),
        Animal(name="0.1 s before each reply", says=dict.fromkeys(("MAIL", "RCPT", "mail"), (0.1, b"250 Ok\r\n"))),
        Animal(name="a greeting after 0.2 s", says={"greeting": (0.2, b"220 zoo.test\r\n")}),
        Animal(name="an answer to the mail after 0.4 s", says={"mail": (0.4, b"250 Ok\r\n")}),
        Animal(name="closes after QUIT without a reply", says={"QUIT": (CLOSE,)}),
    ],
    "Limits of a session": [
        Animal(
            name="3 mails a session, then `452 4.4.5` at DATA, and stays open",
            by_turn={"DATA": (None, None, None, (b"452 4.4.5 Maximum number of messages per session exceeded\r\n",))},
            mails=8,
            connections=3,
        ),
        Animal(
            name="2 mails a session, then `550 5.7.1` at MAIL",
            by_turn={"MAIL": (None, None, (b"550 5.7.1 Too many messages in this session\r\n",))},
            mails=7,
            connections=4,
        ),
        Animal(
            name="2 mails a session, then `451` at the recipient",
            by_turn={"RCPT": (None, None, (b"451-Requested action aborted\r\n451 Mails per session limit\r\n",))},
            mails=5,
            connections=3,
        ),
        Animal(
            name="2 mails a session, then `421` at MAIL, and closes",
            by_turn={"MAIL": (None, None, (b"421 4.7.0 Bye\r\n", CLOSE))},
            mails=5,
            connections=3,
        ),
        Animal(
            name="`421` at the recipient of a second mail",
            by_turn={"RCPT": (None, (b"421 Bye\r\n", CLOSE))},
            connections=2,
        ),
        Animal(name="`421` at DATA of a second mail", by_turn={"DATA": (None, (b"421 Bye\r\n", CLOSE))}, connections=2),
        Animal(
            name="`421` to the whole of a second mail", by_turn={"mail": (None, (b"421 Bye\r\n", CLOSE))}, connections=2
        ),
        Animal(
            name="5 mails by `LIMITS MAILMAX=2`",
            says=ehlo(b"AUTH PLAIN", b"LIMITS MAILMAX=2 RCPTMAX=10"),
            by_turn={"MAIL": (None, None, (RESET,))},
            mails=5,
            connections=3,
        ),
        Animal(name="closes after each mail", says={"mail": (b"250 Ok\r\n", CLOSE)}, connections=2),
        Animal(
            name="`421` unasked after each mail, and closes",
            says={"mail": (b"250 Ok\r\n", 0.02, b"421 Idle\r\n", CLOSE)},
            connections=2,
        ),
        Animal(
            name="`421` unasked after each mail, and stays open",
            says={"mail": (b"250 Ok\r\n", 0.02, b"421 Idle\r\n")},
            connections=None,
        ),
        Animal(name="closes at MAIL of a second mail", by_turn={"MAIL": (None, (CLOSE,))}, connections=2),
        Animal(name="resets at the recipient of a second mail", by_turn={"RCPT": (None, (RESET,))}, connections=2),
        Animal(name="silent at MAIL of a second mail", by_turn={"MAIL": (None, (HANG,))}, connections=2),
        Animal(
            name="knows no RSET (502), after a refused recipient",
            says={"RSET": (b"502 5.5.1 What?\r\n",)},
            at_first={"RCPT": (b"550 5.1.1 Unknown\r\n",)},
            outcome=NOT_THIS,
            connections=2,
        ),
        Animal(
            name="`554` to RSET, and closes, after a refused recipient",
            says={"RSET": (b"554 No\r\n", CLOSE)},
            at_first={"RCPT": (b"550 5.1.1 Unknown\r\n",)},
            outcome=NOT_THIS,
            connections=2,
        ),
        Animal(
            name="silent at RSET, after a refused recipient",
            says={"RSET": (HANG,)},
            at_first={"RCPT": (b"550 5.1.1 Unknown\r\n",)},
            outcome=NOT_THIS,
            connections=2,
        ),
    ],
    "Of one mail": [
        Animal(
            name="an unknown recipient",
            by_turn={"RCPT": ((b"550 5.1.1 Unknown\r\n",), None)},
            outcome=NOT_THIS,
            error="RCPT: refused with 550 5.1.1",
        ),
        Animal(
            name="greylisting",
            by_turn={"RCPT": ((b"451 4.7.1 Greylisted, come back in 300 s\r\n",), None)},
            outcome=MESSAGE,
        ),
        Animal(name="a full mailbox", by_turn={"RCPT": ((b"552 5.2.2 Over quota\r\n",), None)}, outcome=MESSAGE),
        Animal(
            name="refuses the recipient after the mail, as LMTP does",
            at_first={"mail": (b"550 5.1.1 <reader@example.org> Unknown\r\n",)},
            outcome=NOT_THIS,
            connections=2,
        ),
        Animal(
            name="too large, at MAIL", at_first={"MAIL": (b"552 5.3.4 Too big\r\n",)}, outcome=NOT_SO, connections=2
        ),
        Animal(name="spam, after the mail", at_first={"mail": (b"554 5.7.1 Spam\r\n",)}, outcome=NOT_SO, connections=2),
        Animal(
            name="content that it cannot take",
            at_first={"mail": (b"554 5.6.0 Malformed\r\n",)},
            outcome=NOT_THIS,
            connections=2,
        ),
        Animal(name="no room at present", at_first={"mail": (b"452 4.3.1 Full\r\n",)}, outcome=ENDPOINT, connections=2),
        Animal(name="250 to DATA", at_first={"DATA": (b"250 Ok\r\n",)}, outcome=ENDPOINT, connections=2),
        Animal(name="354 to the recipient", at_first={"RCPT": (b"354 Go\r\n",)}, outcome=MESSAGE, connections=2),
    ],
}
