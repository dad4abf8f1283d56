"""tidings/channels/installed.py"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tidings.channels.echo.recipient import EchoRecipients
from tidings.channels.installed import channel_names, recipients
from tidings.channels.recipient import Recipients


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Puts a distribution with rules for one channel on the path, as pip would."""

    def install(point: str) -> None:
        (tmp_path / "pigeons.py").write_text(
            "from tidings.channels import Recipients\nclass Lofts(Recipients): pass\nclass NoRules: pass\n"
        )
        info = tmp_path / "pigeons-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pigeons\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[tidings.recipients]\n{point}\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        recipients.cache_clear()

    yield install
    sys.modules.pop("pigeons", None)
    recipients.cache_clear()


@pytest.mark.parametrize("channel", ["pigeon", "echo"])
def test_another_packages_rules_come_before_ours(install: Callable[[str], None], channel: str) -> None:
    install(f"{channel} = pigeons:Lofts")
    assert type(recipients(channel)).__name__ == "Lofts"


def test_without_rules_the_default_ones_apply() -> None:
    assert type(recipients("pigeon")) is Recipients
    assert type(recipients("echo")) is EchoRecipients


@pytest.mark.parametrize("value", ["pigeons:NoRules", "pigeons:Missing", "not_installed:Lofts"])
def test_the_default_rules_never_replace_broken_ones(install: Callable[[str], None], value: str) -> None:
    install(f"pigeon = {value}")
    with pytest.raises((TypeError, AttributeError, ModuleNotFoundError)):
        recipients("pigeon")


def test_no_rules_import_what_delivers() -> None:
    assert channel_names() >= {"sms", "webhook", "email", "echo"}
    program = (
        "import sys; from tidings.channels.installed import channel_names, recipients;"
        "checks = [recipients(name) for name in (*channel_names(), 'apprise')];"
        "delivers = {name for name in sys.modules if name.endswith('.channel')};"
        "sys.exit(str(delivers) if delivers or {'consumers', 'aiohttp', 'apprise'} & {*sys.modules} else 0)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
