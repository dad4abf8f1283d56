"""The files of a deployment, read, and the programs that judge them."""

import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import yaml

from tidings.settings import Settings

ROOT: Final = Path(__file__).parents[2]
COMPOSE: Final = ROOT / "compose"
KUBERNETES: Final = ROOT / "kubernetes"

SETTINGS: Final = frozenset(name.upper() for name in Settings.__struct_fields__)
"""The variables that tidings reads."""


def read_yaml(path: Path) -> Any:
    """The one document of a YAML file."""
    return yaml.safe_load(path.read_text())


def program(name: str) -> str:
    """A program that came with the development dependencies."""
    return str(Path(sys.executable).with_name(name))


def run(*command: str | Path, **options: Any) -> str:
    """What a command prints. Fails with all that it said where it fails."""
    done: subprocess.CompletedProcess[str] = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout
