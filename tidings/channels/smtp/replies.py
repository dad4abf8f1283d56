"""What a reply of a mail server means: what it speaks of, whether it is final, and the id that it gives a mail.

A code alone does not say it: 550 is an unknown recipient, a used-up daily quota, or one mail too many in a session. So
the phase and the enhanced status code (RFC 3463) are read, and where servers are known to use neither with care, their
words. What is refused for the account or the server is never final: it would refuse every other mail too.
"""

import re
from enum import StrEnum
from typing import Final, NamedTuple

from tidings.channels.base import About

CLOSING: Final = 421
"""The server closes this connection, whatever was asked (RFC 5321, section 3.8)."""
OVERLOADED: Final = 432
"""Exchange Online: more connections of a mailbox than three. (RFC 4954 meant a password to be changed.)"""
_NOT_LOGGED_IN: Final = frozenset({530, 534, 535, 538})
"""RFC 4954, section 6: of the account in whichever phase."""

ENHANCED_CODE: Final = re.compile(r"([245])\.([0-9]{1,3})\.([0-9]{1,3})\b")
"""RFC 3463, at the start of a reply's text."""


class Phase(StrEnum):
    """How far a mail came."""

    CONNECT = "connect"
    GREETING = "greeting"
    TLS = "TLS"
    EHLO = "EHLO"
    AUTH = "AUTH"
    RSET = "RSET"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    END_OF_DATA = "end of DATA"
    """From the content on: when the final dot is out, the mail may be taken."""


BEFORE_LOGIN: Final = frozenset({Phase.CONNECT, Phase.GREETING, Phase.TLS, Phase.EHLO})
OPENING: Final = BEFORE_LOGIN | {Phase.AUTH}

_CROWDED: Final = re.compile(
    r"too many (?:\w+ ){0,2}(?:connections|sessions)|(?:connections?|concurrency|sender thread) limit"
    r"|concurrent connections|maximum number of (?:\w+ ){0,2}connections",
    re.IGNORECASE,
)
"""Postfix, Exim, Exchange and others, where more connections are open than they allow."""
_TOO_FAST: Final = re.compile(
    r"maximum sending rate|(?:rate|rate limit|ratelimit) (?:has )?(?:been )?exceeded|exceeded (?:\w+ ){0,3}rate\b"
    r"|submission rate|throttl|too much mail|too (?:fast|quickly)|slow down|too many (?:login|auth)"
    r"|rate.?limit(?:ed)?\b|too many (?:messages|mails|emails) (?:per|in the last|in an?) ",
    re.IGNORECASE,
)
"""Amazon SES ("454 Throttling failure: Maximum sending rate exceeded"), Postfix ("450 4.7.1 Error: too much mail
from"), Exchange ("421 4.4.2 Message submission rate for this client has exceeded the configured limit")."""
_OF_SESSION: Final = re.compile(
    r"(?:messages|mails|emails|transactions|recipients)\b.{0,40}\b(?:session|connection)\b"
    r"|(?:session|connection) (?:message |mail |transaction )?limit|per.(?:session|connection)",
    re.IGNORECASE,
)
"""Gmail, Exim, Sendmail and others, after so many mails over one connection."""
_NOT_PERMITTED: Final = re.compile(
    r"relay(?:ing)? (?:access )?(?:is )?(?:denied|not permitted|not allowed|prohibited|disallowed)|unable to relay"
    r"|allowed rcpthosts|not owned by (?:auth )?user|send.?as.?denied|permissions? to send as"
    r"|not (?:allowed|authorized) to send|verified sender identity|email address is not verified",
    re.IGNORECASE,
)
"""Servers that relay not to everybody, and for their own addresses alone: the account's fault, or that of one mail."""
_OF_CLIENT: Final = re.compile(
    r"(?:(?!recipient address|\bsaid:).)*?"
    r"(?:(?:client host|helo command|sender address) rejected"
    r"|(?:client host|helo command|sender address) \[[^]]*\] blocked"
    r"|sender (?:verify failed|denied\b|id \()|(?:sender|callback|callout) (?:verification|setup) failed"
    r"|envelope sender|domain of sender address|sender domain must (?:exist|resolve)|bad (?:return path|sender)\b"
    r"|fix reverse dns|reverse dns lookup|(?:no|valid|missing) (?:ptr|reverse dns)\b"
    r"|is in (?:a|an|our|my) (?:\w+ )?(?:black|block) ?list|(?:black|block) ?listed (?:at|by)"
    r"|listed (?:at|by|in) \S*(?:spamhaus|spamcop|dnsbl|rbl|barracuda)"
    r"|banned sending ip|does not pass (?:dmarc|authentication)|(?:spf|dkim|dmarc) (?:check|validation)? ?fail)",
    re.IGNORECASE | re.DOTALL,
)
"""Said at the recipient or after the mail of what most mails of an account share: the client, its name, the sender.

Postfix (`smtpd_delay_reject`), Exim ("Sender verify failed"), qmail ("your envelope sender is in my badmailfrom
list"), Sendmail ("Fix reverse DNS for …"), Exchange ("Sender denied as … is on SenderFilterConfig list")."""
_OF_SENDER: Final = frozenset({"1.7", "1.8", *(f"7.{detail}" for detail in range(20, 31)), "7.509", "7.515", "7.708"})
"""Of the sender's address, which most mails of an account share: RFC 3463, section 3.2; RFC 7372 and those beside it,
which say that its domain vouches for no mail from here; and Exchange Online's for the same."""
_OF_SIZE: Final = re.compile(r"\bsize\b|too (?:large|big)", re.IGNORECASE)
"""At MAIL nothing else is said of the mail itself: neither a recipient nor the content is known there."""
_EXCEEDED: Final = 552
_OF_SERVER: Final = frozenset({"3.0", "3.1", "3.2", "3.5"})
"""RFC 3463, section 3.4: of the mail system, which somebody mends; not 3.3 and 3.4, of what it takes of any mail."""
_OF_CONTENT: Final = re.compile(r"virus|spam|malware|content|attachment|permanent", re.IGNORECASE)
"""Filters that have no better code than 5.3.0."""
_OUTAGE: Final = re.compile(
    r"queue file|(?:write|read|disk|i/?o|internal|local|server|system|database|backend|configuration|queue?ing|spool)"
    r" (?:\w+ )?(?:error|failure|failed|problem)\b|no space left|disk full|out of (?:disk |disk-)?(?:space|memory)"
    r"|insufficient (?:system |disk )?(?:storage|space|resources|memory)|temporar(?:y|ily)\b"
    r"|(?:try|retry) (?:again|later)|(?:system|server) (?:is )?(?:too )?(?:busy|overloaded)|gr[ae]y.?list"
    r"|service (?:is )?(?:currently |temporarily )?(?:not available|unavailable)",
    re.IGNORECASE,
)
"""What servers say of their own state, or of now, with a code for good: a full disk (Haraka), greylisting, "550 System
busy, try again"."""
_UNKNOWN: Final = re.compile(r"no such|unknown|not exist|not found|invalid", re.IGNORECASE)
"""Of a recipient: also where the text asks to "check the address and try again"."""
_ENVELOPE_FULL: Final = re.compile(r"5\.5\.3\b|too many recipients", re.IGNORECASE)
"""RFC 5321, section 4.5.3.1.10: that limit, said with 552, is for now; those beyond it go with another mail."""
_OF_COMMAND: Final = frozenset({500, 502, 503, 504})
"""RFC 5321, section 4.2.3: of the commands, or their order, and so of every mail."""
_LOGIN_WANTED: Final = re.compile(
    r"authentication (?:is )?required|must (?:authenticate|be authenticated|log ?in)|not (?:authenticated|logged in)",
    re.IGNORECASE,
)
_OF_GROUP: Final = frozenset({"7.124", "7.129", "7.133", "7.134", "7.135", "7.136"})
"""Exchange: of one recipient, who takes mail from some senders only ("Sender not authenticated for group")."""
_USED_UP: Final = re.compile(
    r"daily|(?:mails|messages|emails) per (?:day|month)|quota.?exceeded|credits exceeded"
    r"|(?:user|sending|message|account|mail|hourly|monthly) (?:sending |message |mail )?(?:quota|limit)s?\b"
    r"|(?:account|user|client) (?:\w+ ){0,2}(?:suspended|disabled|locked|blocked|not active)",
    re.IGNORECASE,
)
"""Limits of a plan, and locked accounts; of a recipient they are as common."""
_SENDING: Final = re.compile(
    r"exceeded .{0,60}\b(?:mails|messages|emails) (?:per|an) hour|(?:send|sending|submission) (?:limit|quota)"
    r"|(?:exceeded|reached) your (?:hourly|daily|monthly)|unusual sending activity|bad outbound sender|outboundspam"
    r"|sending (?:is |has been )?(?:suspended|paused)|insufficient credits|subscription (?:has )?expired"
    r"|throttling failure: (?:daily|hourly|monthly)",
    re.IGNORECASE,
)
"""What only a sender has, so of the account even where a recipient is refused: cPanel ("Domain … has exceeded the max
emails per hour"), Zoho ("5.4.6 Unusual sending activity detected"), Exchange ("5.1.8 Access denied, bad outbound
sender"), Amazon SES ("554 Sending paused for this account", "454 Throttling failure: Daily message quota exceeded").
"""
_OF_PLAN: Final = re.compile(
    r"(?:daily|hourly|monthly|per (?:day|hour|month)|sending|message).{0,40}\b(?:quota|limit|exceeded)", re.IGNORECASE
)
"""In a reply of the account: it is well again by itself, when the day or the hour is over."""
_ACCOUNT_CODES: Final = frozenset(
    {"4.5", "7.8", "7.9", "7.11", "7.12", "7.13", "7.14", "7.501", "7.502", "7.503", "7.705", "7.750"}
)
"""Of the account where a recipient is not refused: Gmail's `5.4.5` is the daily quota; RFC 4954, section 6, and RFC
5248, section 2.4, have those of a login; from 501 on, Exchange Online's of accounts that it has blocked."""
_LOGIN_OUTAGE: Final = re.compile(
    r"connection lost|temporar|try (?:again|later)|unavailable|(?:internal|backend|server) (?:error|failure)|time.?out",
    re.IGNORECASE,
)
"""In a refused login that says nothing of the password (Postfix: "535 5.7.8 … Connection lost to authentication
server")."""
_FULL: Final = "2.2"
"""RFC 3463, section 3.3: a full mailbox is "a persistent transient failure"."""
_FULL_TEXT: Final = re.compile(r"mailbox (?:is )?full|(?:over|mailbox|storage) ?quota|quota exceeded", re.IGNORECASE)
_STORAGE: Final = frozenset({452, 552})
"""RFC 5321: "insufficient" or "exceeded storage", and so of a mailbox where the text says so."""


_NO_MAILBOX: Final = frozenset({"1.1", "1.6", "1.10"})
"""RFC 3463, section 3.2, and RFC 7505: no such mailbox, it has moved without an address, its domain takes no mail.

Not 1.2 (no such domain), which servers say too when they cannot ask; nor 2.1 (disabled), which ends."""
_ASKED: Final = re.compile(
    r"(?:try|retry|again|wait|back|greylist\w*|graylist\w*|delay\w*|defer\w*)\b[^0-9]{0,40}"
    r"(?:(?P<clock>[0-9]{1,2}:[0-9]{2}:[0-9]{2})"
    r"|(?P<number>[0-9]{1,5})[ -]?(?P<unit>s(?:ec(?:ond)?s?)?|min(?:ute)?s?|h(?:(?:ou)?rs?)?)\b)",
    re.IGNORECASE,
)
"""postgrey, milter-greylist ("come back in 00:05:00"), Gmail, Yahoo and others."""
_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}
LONGEST_ASKED: Final = 3600.0
"""Seconds: more is not waited for at a server's word."""


def asked_delay(code: int, text: str) -> float | None:
    """How long a reply that refuses for now asks to wait, in seconds; None where it does not say."""
    if code // 100 != 4 or not (found := _ASKED.search(text)):  # noqa: PLR2004  (4xx)
        return None
    if found["clock"]:
        hours, minutes, seconds = map(int, found["clock"].split(":"))
        delay = 3600.0 * hours + 60 * minutes + seconds
    else:
        delay = int(found["number"]) * _SECONDS[found["unit"][0].lower()]
    return min(delay, LONGEST_ASKED)


def says_no_mailbox(phase: Phase, code: int, text: str) -> bool:
    """Whether a refused recipient has, for sure and for good, no mailbox."""
    enhanced = ENHANCED_CODE.match(text)
    refused = phase is Phase.RCPT and code // 100 == 5 and enhanced is not None  # noqa: PLR2004  (5xx)
    return refused and enhanced is not None and f"{enhanced[2]}.{enhanced[3]}" in _NO_MAILBOX and enhanced[1] == "5"


class Meaning(NamedTuple):
    about: About
    final: bool
    """The mail would be refused again."""
    of_session: bool = False
    crowded: bool = False
    used_up: bool = False
    """The account has sent as much as its plan allows."""


def meaning(phase: Phase, code: int, text: str) -> Meaning:
    """What a reply that refuses a command means; `text` is without the code."""
    enhanced = ENHANCED_CODE.match(text)
    status = f"{enhanced[2]}.{enhanced[3]}" if enhanced else ""
    if not enhanced and code in _STORAGE and _FULL_TEXT.search(text):
        status = _FULL
    refused = code // 100 == 5  # noqa: PLR2004  (5xx)
    if code == OVERLOADED or _CROWDED.search(text):
        return Meaning(About.PACE, final=False, crowded=True)
    of_sending = phase not in OPENING and _SENDING.search(text) is not None
    # Of a recipient's mailbox (x.2.x) it is the others' mail too.
    of_recipient = (refused and phase is Phase.RCPT) or status.startswith("2.")
    if _TOO_FAST.search(text) and not of_recipient and not of_sending:
        return Meaning(About.PACE, final=False)
    if phase is Phase.AUTH:
        outage = code == CLOSING or _LOGIN_OUTAGE.search(text) is not None
        return Meaning(About.HOST if outage and refused else About.ACCOUNT, final=False)
    if phase in BEFORE_LOGIN or code == CLOSING:
        return Meaning(About.HOST, final=False, of_session=_OF_SESSION.search(text) is not None)
    of_session = _OF_SESSION.search(text) is not None
    if of_sending or _is_of_account(phase, code, status, text):
        return Meaning(About.ACCOUNT, final=False, of_session=of_session, used_up=_OF_PLAN.search(text) is not None)
    # Not final, and counted by the account's breaker: many in a row hold it, as one alone must not.
    denied = code in _OF_COMMAND or status in _OF_SENDER or bool(_NOT_PERMITTED.search(text) or _OF_CLIENT.match(text))
    if phase is Phase.MAIL and not (code == _EXCEEDED or status.startswith("6.") or _OF_SIZE.search(text)):
        denied = True
    of_mail = phase is Phase.RCPT or status.startswith(("1.", "2.", "6."))
    about = About.MESSAGE if of_mail and not denied else About.ENDPOINT
    full = status == _FULL or (phase is Phase.RCPT and _ENVELOPE_FULL.search(text) is not None)
    lasting = not (denied or of_session or full or _is_outage(phase, status, text))
    return Meaning(about, final=refused and lasting, of_session=of_session)


def _is_outage(phase: Phase, status: str, text: str) -> bool:
    """Whether the server speaks of its own state, whatever the code."""
    if phase is Phase.RCPT:
        return not (status.startswith("1.") or _UNKNOWN.search(text)) and _OUTAGE.search(text) is not None
    return (status in _OF_SERVER and not _OF_CONTENT.search(text)) or _OUTAGE.search(text) is not None


def _is_of_account(phase: Phase, code: int, status: str, text: str) -> bool:
    if code in _NOT_LOGGED_IN or (_LOGIN_WANTED.search(text) and status not in _OF_GROUP):
        return True
    if status == _FULL:
        # Of a sender, it is their own mailbox; of a recipient, theirs.
        return phase is Phase.MAIL
    if status in _ACCOUNT_CODES and (phase is not Phase.RCPT or status != "4.5"):
        return True
    of_recipient = phase is Phase.RCPT and not status.startswith(("4.", "7."))
    if of_recipient or status.startswith(("1.", "6.")) or (status.startswith("2.") and "ubmission" not in text):
        return False
    return (status == "7.0" and "try again later" in text.lower()) or _USED_UP.search(text) is not None


_QUEUE_IDS: Final = tuple(
    re.compile(pattern, re.IGNORECASE | re.MULTILINE)
    for pattern in (
        # Postfix, SendGrid, Mailjet, ZoneMTA, Yandex ("queued on smtp3m.mail.yandex.net as 1430081058-6ltgNFKSir").
        r"\bqueued (?:on \S+ )?as:? <?([\w.+@=/-]{1,255})",
        # Exchange: "2.6.0 <id@host> [InternalId=…, Hostname=…] 1234 bytes in … Queued mail for delivery".
        r"<([^<>\s]{1,255})> (?:\[InternalId=|Queued mail for delivery)",
        # Haraka: "Message Queued (7E3A…-….1)".
        r"\bqueued \(([\w.+@-]{1,255})\)",
        # Exim ("OK id=1qABCD-000123-AB"), Zoho.
        r"\bid=<?([\w.+@-]{1,255})",
        # Gmail: "2.0.0 OK  1430081058 x12sm123abc.45 - gsmtp".
        r"\bOK:? +(?:[0-9]+ +)?([\w.-]{8,255}) - gsmtp\b",
        # Sendmail, OpenSMTPD.
        r"([\w.-]{6,255}) Message accepted for delivery",
        # qmail: "ok 1430081058 qp 12345".
        r"\bok ([0-9]{6,} qp [0-9]+)",
        # go-smtp: "2.0.0 OK: queued 2K6C7TNVWUIRJYGYXJ6K4TYT".
        r"\bqueued(?: with id:?)? <?([\w.-]*[0-9][\w.-]{5,255})",
        # Amazon SES: "Ok 010001668cbaf1d3-7fadface-8253-49c5-ba34-dbb320d8a770-000000"; SparkPost, Campaign Monitor.
        r"\bOk:? ?([\w/-]*[0-9][\w/.-]{11,255})$",
    )
)
"""In the replies that take a mail, as servers are known to word them."""


def queue_id(reply: str) -> str | None:
    """The server's own id of a mail that it took, in whichever line of the reply."""
    for pattern in _QUEUE_IDS:
        if found := pattern.search(reply):
            return found[1]
    return None
