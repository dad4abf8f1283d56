"""tidings/channels/apprise/recipient.py, and what it says of the Apprise that is installed."""

import inspect
import re
from collections.abc import Iterable
from types import ModuleType
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from apprise.manager_plugins import NotificationManager
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.channels.doubles import delivery
from tidings.channels.apprise.recipient import LONGEST, SERVICES, AppriseRecipients, check_url
from tidings.channels.recipient import MAX_BYTES, RecipientError
from tidings.domain.errors import SettingsError, UnsealError
from tidings.domain.url_schemas import LOCAL, schemas
from tidings.security.secretbox import SecretBox, new_key
from tidings.settings import Settings

# Some plugin imports a module that Python 3.13 does not have any more.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

RULES = AppriseRecipients()
KEY = new_key()
SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"

SENDER_DOMAIN = {"mailgun", "smtp2go", "sparkpost"}
"""Services whose URL has a host which is that of the sender's address, and is not connected to."""


def plugin(schema: str) -> type:
    manager = NotificationManager()  # type: ignore[no-untyped-call]
    assert schema in manager, f"Apprise has no {schema}://"
    found = manager[schema]
    assert isinstance(found, type)
    return found


def imported(module: ModuleType) -> set[str]:
    source = inspect.getsource(module)
    return set(re.findall(r"^\s*(?:import|from) ([a-z]\w*)", source, re.MULTILINE))


@pytest.mark.parametrize("schema", sorted(SERVICES))
def test_a_service_that_is_open_speaks_https_to_a_host_of_its_own(schema: str) -> None:
    kind = plugin(schema)
    templates: Iterable[str] = kind.templates  # type: ignore[attr-defined]  # every plugin has them
    assert schema in SENDER_DOMAIN or not any("{host}" in template or "{port}" in template for template in templates)
    module = inspect.getmodule(kind)
    assert module is not None
    assert "requests" in imported(module)
    assert not imported(module) & {"socket", "subprocess", "ctypes", "smtplib", "syslog", "dbus", "gi"}
    assert not re.search(r"""_url = f?["']http://""", inspect.getsource(module))


def test_what_acts_on_the_own_machine_is_never_open() -> None:
    assert not SERVICES & LOCAL
    for schema in LOCAL:
        plugin(schema)
        with pytest.raises(ValueError, match="cannot be opened"):
            schemas([schema.upper()])
        with pytest.raises(RecipientError, match="not open here"):
            check_url(f"{schema}://x")


def test_a_url_comes_back_with_its_schema_in_lower_case() -> None:
    assert check_url("SLACK" + SLACK[5:] + "/#Ops?footer=no", frozenset()) == f"{SLACK}/#Ops?footer=no"
    assert RULES.check(f" {SLACK} ") == SLACK


@pytest.mark.parametrize(
    "url", ["json://127.0.0.1/x", "ntfys://ntfy.sh/topic", "mailto://u:p@example.com", "zulip://a@b/c"]
)
def test_a_host_in_the_url_has_to_be_opened(url: str) -> None:
    schema = url.partition(":")[0]
    with pytest.raises(RecipientError, match="not open here"):
        check_url(url, frozenset())
    assert check_url(url, schemas([schema])) == url
    assert check_url(url) == url


@pytest.mark.parametrize(
    "arguments",
    [
        "?template=/etc/passwd",
        "?image=yes&Template=x",
        "?image=yes;template=x",
        "?%74emplate=x",
        "?%2574emplate=x",
        "? template =x",
        "?keyfile=/root/key.json",
        "?verify=no",
        "?rto=86400",
        "?retry=5&wait=60",
        "?optional=yes",
        "?redirect=yes",
    ],
)
def test_arguments_that_read_files_or_undo_limits_are_refused(arguments: str) -> None:
    with pytest.raises(RecipientError, match="must not contain the argument") as refused:
        check_url(SLACK + arguments)
    assert "/etc" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "slack",
        "slack:",
        "slack://",
        "://x",
        "sl-ack://x",
        "file:///etc/passwd",
        "https://hooks.slack.com/x",
        "\ud800",
    ],
)
def test_what_is_no_open_apprise_url_is_refused(url: str) -> None:
    with pytest.raises(RecipientError):
        check_url(url, frozenset())


def test_a_url_has_to_fit_when_it_is_sealed() -> None:
    assert check_url(SLACK.ljust(LONGEST, "x"))
    with pytest.raises(RecipientError, match="longer"):
        check_url(SLACK.ljust(LONGEST, "x") + "ä")


@pytest.mark.parametrize("names", [["json://"], ["a b"], [""], ["ä"]])
def test_what_is_no_schema_is_refused(names: list[str]) -> None:
    with pytest.raises(ValueError, match="is not the schema"):
        schemas(names)


@given(
    st.text()
    | st.text().map(lambda rest: f"slack://{rest}")
    | st.text().map(lambda rest: f"json://{quote(rest, errors='replace')}")
)
def test_a_recipient_is_a_url_or_a_line(recipient: str) -> None:
    try:
        normal = RULES.check(recipient)
    except RecipientError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017  (either outcome is right)
    else:
        assert RULES.check(normal) == normal


def seal(message_id: UUID, *keys: str) -> str:
    return RULES.seal(SLACK, message_id, Settings(secret_keys=keys))


def test_what_is_stored_and_shown_holds_no_secret() -> None:
    message_id = uuid4()
    stored = seal(message_id, KEY)
    assert stored.startswith("slack://gAAAA")
    assert not any(token in stored for token in SLACK.removeprefix("slack://").split("/"))
    assert RULES.show(stored) == "slack://…"
    assert RULES.unseal(stored, message_id, SecretBox([KEY])) == SLACK


def test_the_longest_url_fits_where_recipients_are_stored() -> None:
    schema = "a" * 32
    settings = Settings(secret_keys=(KEY,), apprise_schemas=(schema,))
    stored = RULES.seal(f"{schema}://".ljust(LONGEST, "x"), uuid4(), settings)
    assert len(stored.encode()) <= MAX_BYTES


def test_it_opens_for_its_own_message_and_key_only() -> None:
    message_id = uuid4()
    stored = seal(message_id, KEY)
    box = SecretBox([KEY])
    for other_box, other_id, other in (
        (box, uuid4(), stored),
        (SecretBox([new_key()]), message_id, stored),
        (SecretBox([]), message_id, stored),
        (box, message_id, SLACK),
        (box, message_id, f"{stored}ä"),
        (box, message_id, ""),
    ):
        with pytest.raises(UnsealError) as refused:
            RULES.unseal(other, other_id, other_box)
        assert "TIiaj" not in str(refused.value)


def test_without_a_key_nothing_is_stored() -> None:
    with pytest.raises(SettingsError, match="SECRET_KEYS"):
        seal(uuid4())


def test_the_service_is_the_destination() -> None:
    assert RULES.destination(delivery(recipient=seal(uuid4(), KEY)), None) == "slack"
