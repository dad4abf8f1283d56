"""Apprise URLs: which are allowed, and how they are kept secret.

Allowed are those of services whose address Apprise itself knows.

Apprise reaches nearly anything a URL can name: any host of the network it runs in, the desktop and the log of its own
machine, files on its disk. Users who may write a recipient must not reach all that, so

- `SERVICES` is a list of what is allowed, made by reading the plugins: each speaks HTTPS to hosts that are fixed in its
  code (a part of a name, such as an AWS region, only where a pattern keeps it one), and redirects are not followed;
- `APPRISE_SCHEMAS` opens others, such as `ntfys` or `json`, whose host is in the URL: a decision of the operator, since
  its users then reach what the consumers reach, the network behind the firewall included;
- `LOCAL` are those that act on the consumer's own machine, and nothing opens them;
- `REFUSED_ARGUMENTS` are those that read local files, or undo time limits, the check of certificates, or what counts as
  a failure.

An Apprise URL holds the tokens of its service. What is stored of `slack://TokenA/TokenB` is `slack://` and a ciphertext
that opens for this message alone; what is shown of it is `slack://…`. A key stays in `SECRET_KEYS` as long as messages
that were sealed with it wait: rotation does not touch them.

The package Apprise itself is not needed here.
"""

import re
from collections.abc import Set
from typing import Final
from urllib.parse import unquote
from uuid import UUID

from tidings.channels.recipient import RecipientError, Recipients
from tidings.domain.account import Sealed, Sender
from tidings.domain.errors import UnsealError
from tidings.domain.message import Delivery, Message
from tidings.domain.url_schemas import LOCAL, schemas
from tidings.security.secretbox import Purpose, SecretBox
from tidings.settings import Settings

SERVICES: Final = frozenset(
    """
    46elks atalk azure brevo bulksms bulkvs burstsms chanify clickatell clicksend cliq cm d7sms dingtalk discord dot
    eight00com elks exotel feishu firehydrant flock freemobile gchat github groundmail groupme gupshup httpsms ifttt
    ilert incidentio jira join kakao kakaotalk kaleyra klr kook kudosity kumulos lark lauther lfg line mailersend
    mailgun mobilemessage mobilemsg msg91 msgbird nexmo notifiarr notifyre o365 octopush onesignal opsgenie pagerduty
    pagertree pbul pingram plivo postmark pover prowl psafers push pushed pushme pushplus pushward pushy qq reddit
    resend revolt ringc ryver schan sendgrid serwersms ses seven sfr signalgrid signl4 simplepush sinch slack smsc
    smsmanager smsmgr smstunnel smtp2go sns sparkpost spike splunk spugpush spush squadcast stackfield strmlabs
    telesign telnyx tgram threema tweet twilio twist twitter viber victorops voipms vonage webex wecom wecombot whapi
    whatsapp wpush wxpusher wxteams x youlmk zalo zcliq zohocliq zoom
    """.split()  # noqa: SIM905  (one a line would be 130 lines)
)
"""Schemas of Apprise URLs, as of Apprise 2.2."""

REFUSED_ARGUMENTS: Final = frozenset(
    {
        # Files of the consumer's machine, read and in part sent along.
        "attach",
        "keyfile",
        "pgp",
        "pgpprv",
        "pgppub",
        "subfile",
        "template",
        # What the consumer decides.
        "cto",
        "optional",
        "redirect",
        "retry",
        "rto",
        "store",
        "verify",
        "wait",
    }
)

LONGEST: Final = 1400
"""Bytes in UTF-8: sealed, it is a third longer, and still fits where a recipient is kept."""

_SCHEMA: Final = re.compile(r"([A-Za-z0-9]{1,32})://")
_ARGUMENT: Final = re.compile(r"[?&;]([^=&;?]*)")


class AppriseRecipients(Recipients):
    """The destination is the service."""

    def normalise(self, recipient: str) -> str:
        return check_url(recipient)

    def seal(self, recipient: str, message_id: UUID, settings: Settings, *, operators: bool = False) -> str:
        url = check_url(recipient, schemas(settings.apprise_schemas))
        sealed = SecretBox(settings.secret_keys).seal(url, Purpose.RECIPIENT, message_id)
        return f"{schema_of(url)}://{sealed.decode()}"

    def unseal(self, stored: str, message_id: UUID, box: SecretBox) -> str:
        _, _, sealed = stored.partition("://")
        if not sealed.isascii():
            raise UnsealError("a recipient that should be sealed is not")
        return box.unseal(Sealed(sealed.encode()), Purpose.RECIPIENT, message_id)

    def show(self, stored: str) -> str:
        return f"{stored.partition('://')[0]}://…"

    def destination(self, message: Message | Delivery, sender: Sender | None) -> str:
        return message.recipient.partition("://")[0]


def check_url(url: str, opened: Set[str] | None = None) -> str:
    """Returns the URL with its schema in lower case. Raises RecipientError, which repeats nothing of it but its schema.

    `opened` is `APPRISE_SCHEMAS`; None means not known here, and allows every schema but LOCAL.
    """
    schema = schema_of(url)
    if len(url.encode(errors="surrogatepass")) > LONGEST:
        raise RecipientError(f"is longer than {LONGEST} bytes")
    if schema in LOCAL or (opened is not None and schema not in SERVICES | opened):
        raise RecipientError(f"names the service {schema}://, which is not open here")
    refused = REFUSED_ARGUMENTS & {name.strip().lower() for name in _ARGUMENT.findall(_plain(url))}
    if refused:
        raise RecipientError(f"must not contain the argument {min(refused)!r}")
    return f"{schema}{url[len(schema) :]}"


def schema_of(url: str) -> str:
    """The name before `://`, in lower case. Raises RecipientError."""
    found = _SCHEMA.match(url)
    if found is None or found.end() == len(url):
        raise RecipientError("must be an Apprise URL, such as slack://TokenA/TokenB/TokenC")
    return found[1].lower()


def _plain(url: str) -> str:
    """The URL without any percent-encoding, however often it was encoded: more is refused than Apprise would read."""
    while (plain := unquote(url)) != url:
        url = plain
    return url
