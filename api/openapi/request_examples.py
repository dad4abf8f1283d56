"""Bodies as clients write them, by what each one shows."""

from collections.abc import Mapping
from typing import Any, Final

from tidings.domain.message import DEFAULT_QUEUE

Examples = Mapping[str, Any]

_TEXT: Final = {"channel": "sms", "recipient": "+905551111111", "content": "Your parcel is on its way."}
_HOOK: Final = {
    "channel": "webhook",
    "recipient": "https://shop.example.com/hooks/orders",
    "content": '{"order": 4711, "state": "shipped"}',
    "headers": {"X-Shop": "4"},
}
_MAIL: Final = {
    "channel": "email",
    "recipient": "ida@example.com",
    "subject": "Your parcel",
    "content": "It is on its way.",
}
_LINE: Final = {"channel": "echo", "recipient": "log", "content": "Good morning"}

MESSAGES: Final[Examples] = {
    "a text message, now": _TEXT,
    "a webhook that is tried three times": {**_HOOK, "max_tries": 3},
    "a webhook that is tried again after a minute and after an hour": {**_HOOK, "retry": {"delays": [60, 3600]}},
    "an e-mail that can wait": {**_MAIL, "priority": "low"},
    "an e-mail with HTML, a name, a copy and a file": {
        **_MAIL,
        "recipient": "Ida Rhodes <ida@example.com>",
        "html": "<p>It is on its <b>way</b>.</p>",
        "from": {"email": "parcels@example.com", "name": "The Shop"},
        "cc": ["grace@example.com"],
        "reply_to": "support@example.com",
        "attachments": [{"filename": "receipt.txt", "content": "MTIuNTAgRVVSCg=="}],
    },
    "a line in the log, in the year 2030, in its hour or not at all": {
        **_LINE,
        "due_at": "2030-01-31T09:00:00+03:00",
        "expires_at": "2030-01-31T10:00:00+03:00",
    },
}
BATCH: Final[Examples] = {"two messages": {"messages": [_TEXT, _LINE]}}
QUEUES: Final[Examples] = {
    "two messages every two minutes": {"interval_seconds": 120, "batch_size": 2},
    "as fast as it goes": {"interval_seconds": 0},
    "stopped": {"active": False},
}

_LOGIN: Final = {"email": "ida@example.com", "password": "correct horse battery staple"}
_SMTP: Final = {"host": "mail.example.com", "port": 587, "username": "ida", "password": "swordfish of smtp"}

REGISTRATIONS: Final[Examples] = {
    "an account": _LOGIN,
    "an account that sends mail": {**_LOGIN, "smtp": _SMTP},
}
LOGINS: Final[Examples] = {"a login": _LOGIN}
PROFILES: Final[Examples] = {
    "another SMTP account": {"smtp": _SMTP},
    "no SMTP account": {"smtp": None},
    "a new password": {"password": "battery staple correct horse", "current_password": _LOGIN["password"]},
    "a new password, and an end to all keys": {
        "password": "battery staple correct horse",
        "current_password": _LOGIN["password"],
        "revoke_keys": True,
    },
}
SMTP_CHANGES: Final[Examples] = {
    "with a password": {**_SMTP, "from": "The shop <shop@example.com>", "per_hour": 500},
    "with OAuth": {
        "host": "smtp.example.com",
        "username": "ida@example.com",
        "oauth": {"token_url": "https://login.example.com/token", "client_id": "tidings", "refresh_token": "1//0g…"},
    },
}
SMTP_ACCOUNTS: Final[Examples] = {name: {"name": "shop", **account} for name, account in SMTP_CHANGES.items()}
_TWILIO: Final = {"preset": "twilio", "account_sid": "AC…", "auth_token": "…", "from": ["+15005550006"]}
GATEWAYS: Final[Examples] = {
    "of a preset": {"name": "twilio", **_TWILIO},
    "of one's own": {
        "name": "own",
        "base_url": "https://sms.example.com",
        "token": "…",
        "request": {
            "path": "/send",
            "auth": {"kind": "bearer", "token": "{token}"},
            "body": "json",
            "fields": {"to": "{to}", "text": "{content}"},
        },
        "success": {"id": ["id"]},
        "prefixes": ["+49"],
    },
}
GATEWAY_CHANGES: Final[Examples] = {
    "another token": {"auth_token": "…"},
    "for some numbers": {"prefixes": ["+49", "+43"]},
    "off": {"enabled": False},
}
USERS: Final[Examples] = {
    "somebody who may send what users may": {"email": "grace@example.com", "password": _LOGIN["password"]},
    "an admin": {"email": "root@example.com", "password": _LOGIN["password"], "role": "admin"},
}
PASSWORD_REQUESTS: Final[Examples] = {"an account": {"email": _LOGIN["email"]}}
OWN_DELETIONS: Final[Examples] = {"with the password": {"current_password": _LOGIN["password"]}}
USER_CHANGES: Final[Examples] = {
    "may send text messages": {"channels": ["sms", "webhook"]},
    "may send what users may": {"channels": None},
    "becomes an admin": {"role": "admin"},
}
QUOTAS: Final[Examples] = {
    "more a second": {"per_second": 200},
    "a larger account": {"per_second": 500, "per_day": 1_000_000, "waiting": 200_000, "waiting_bytes": 1_073_741_824},
    "as the settings have it": {},
}
KEYS: Final[Examples] = {
    "a key": {"name": "the shop"},
    "a key that sends mail, for a while": {
        "name": "the newsletter",
        "scopes": ["send"],
        "channels": ["email"],
        "queues": ["newsletter"],
        "expires_at": "2100-01-01T00:00:00Z",
    },
}
KEYS_WITH_CHANNELS: Final[Examples] = {**KEYS, "a key for text messages": {"name": "the till", "channels": ["sms"]}}


SUPPRESSIONS: Final[Examples] = {
    "an address": {"address": "ida@example.com"},
    "and why": {"address": "ida@example.com", "detail": "asked for it by telephone"},
}
REPORTS: Final[Mapping[str, str]] = {
    "an address that does not exist": """\
From: Mail Delivery System <MAILER-DAEMON@mail.example.com>
To: bounces+0197d7a4-5b3e-7c41-9f0a-2b6c8d1e4f70@example.com
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="="

--=
Content-Type: text/plain

The mail system: host mx.example.com said: 550 5.1.1 user unknown

--=
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.com

Final-Recipient: rfc822; ida@example.com
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 <ida@example.com>: user unknown

--=--
"""
}
CANCEL: Final[Examples] = {
    "what waits in a queue": {"queue": "newsletter"},
    "what waits for somebody": {"recipient": "+905551111111", "channel": "sms"},
    "all that waits": {"all": True},
}
RETRY: Final[Examples] = {
    "what was exhausted since a time": {"cancel_reason": "exhausted", "created_from": "2030-01-31T00:00:00Z"},
    "what failed in a queue": {"queue": DEFAULT_QUEUE, "status": "failed"},
}
