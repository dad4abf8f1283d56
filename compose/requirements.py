"""Prints what pyproject.toml depends on, one requirement a line: `python requirements.py EXTRA…`.

pip installs a project together with its dependencies or not at all; an image wants them in a layer of their own.
"""

import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path


def requirements(pyproject: str, extras: Iterable[str]) -> list[str]:
    """The dependencies of a project and of some of its extras. Raises KeyError for an extra that it does not have."""
    project = tomllib.loads(pyproject)["project"]
    return [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in requirements(Path("pyproject.toml").read_text(), sys.argv[1:]))
