"""tidings/channels/apprise/urls.py, and what it says of the Apprise that is installed."""

import inspect
import re
import subprocess
import sys
from collections.abc import Iterable
from types import ModuleType
from urllib.parse import quote

import pytest
from apprise.manager_plugins import NotificationManager
from hypothesis import given
from hypothesis import strategies as st

from tidings.channels.apprise.urls import LONGEST, SERVICES, AppriseUrlError, check
from tidings.channels.recipients import RecipientError, check_recipient
from tidings.domain.url_schemas import LOCAL, schemas

# Some plugin imports a module that Python 3.13 does not have any more.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

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
        with pytest.raises(AppriseUrlError, match="not open here"):
            check(f"{schema}://x")


def test_a_url_comes_back_with_its_schema_in_lower_case() -> None:
    assert check("SLACK" + SLACK[5:] + "/#Ops?footer=no", frozenset()) == f"{SLACK}/#Ops?footer=no"
    assert check_recipient("apprise", f" {SLACK} ") == SLACK


@pytest.mark.parametrize(
    "url", ["json://127.0.0.1/x", "ntfys://ntfy.sh/topic", "mailto://u:p@example.com", "zulip://a@b/c"]
)
def test_a_host_in_the_url_has_to_be_opened(url: str) -> None:
    schema = url.partition(":")[0]
    with pytest.raises(AppriseUrlError, match="not open here"):
        check(url, frozenset())
    assert check(url, schemas([schema])) == url
    assert check(url) == url


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
    with pytest.raises(AppriseUrlError, match="must not contain the argument") as refused:
        check(SLACK + arguments)
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
    with pytest.raises(AppriseUrlError):
        check(url, frozenset())


def test_a_url_has_to_fit_when_it_is_sealed() -> None:
    assert check(SLACK.ljust(LONGEST, "x"))
    with pytest.raises(AppriseUrlError, match="longer"):
        check(SLACK.ljust(LONGEST, "x") + "ä")


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
        normal = check_recipient("apprise", recipient)
    except RecipientError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017  (either outcome is right)
    else:
        assert check_recipient("apprise", normal) == normal


def test_checking_needs_no_apprise() -> None:
    program = (
        "import sys; from tidings.channels.recipients import check_recipient;"
        f"check_recipient('apprise', {SLACK!r}); sys.exit('apprise' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
