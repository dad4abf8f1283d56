"""Prints what pyproject.toml depends on, one requirement a line: `python requirements.py EXTRA…`.

pip installs a project together with its dependencies or not at all; an image wants them in a layer of their own. What
is itself in this checkout is in no index: in its stead stands what it depends on.
"""

import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

IN_THE_CHECKOUT = {"tidings-client": Path("client/pyproject.toml")}


def requirements(pyproject: str, extras: Iterable[str]) -> list[str]:
    """The dependencies of a project and of some of its extras. Raises KeyError for an extra that it does not have."""
    project = tomllib.loads(pyproject)["project"]
    return [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]


def from_elsewhere(listed: Iterable[str]) -> list[str]:
    """The same, with what the checkout's own distributions depend on in their place."""
    found = []
    for line in listed:
        ours = IN_THE_CHECKOUT.get(line.partition("==")[0])
        found += [line] if ours is None else requirements(ours.read_text(), ())
    return found


if __name__ == "__main__":
    listed = requirements(Path("pyproject.toml").read_text(), sys.argv[1:])
    sys.stdout.writelines(f"{line}\n" for line in from_elsewhere(listed))
