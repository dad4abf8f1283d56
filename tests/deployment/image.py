"""The image without an engine: the Dockerfile's own steps, carried out in a folder that stands for the builder's root.

`COPY` takes only what the ignore file lets through. `/opt/tidings` becomes a virtual environment in the folder, made by
the Dockerfile's `RUN`s as they stand, with this interpreter. So that no test downloads anything, the dependencies that
are installed here anyway are linked into it, all but tidings itself.
"""

import os
import re
import shlex
import shutil
import sys
import sysconfig
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from tests.deployment.files import COMPOSE, ROOT, run

OPT: Final = "/opt/tidings"
NOT_LINKED: Final = ("tidings*", "__editable__*", "_virtualenv*", "pip", "pip-*", "*.pth", "__pycache__")


@dataclass
class Stage:
    """One `FROM` and what follows it."""

    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def all(self, instruction: str) -> list[str]:
        """The arguments of every step of a kind."""
        return [arguments for name, arguments in self.steps if name == instruction]


def stages() -> list[Stage]:
    """The Dockerfile, read; comments and line continuations resolved."""
    lines = [line for line in (COMPOSE / "Dockerfile").read_text().splitlines() if line and not line.startswith("#")]
    found: list[Stage] = []
    for step in re.sub(r"\s*\\\n\s*", " ", "\n".join(lines)).splitlines():
        instruction, _, arguments = step.partition(" ")
        if instruction == "FROM":
            found.append(Stage(base=arguments.split()[0]))
        else:
            found[-1].steps.append((instruction, arguments))
    return found


def build(root: Path) -> Path:
    """Carries out the first stage under `root`; answers the folder that the second one copies."""
    source, target = root / "src", root / "opt" / "tidings"
    source.mkdir(parents=True)
    arguments: dict[str, str] = {}
    for instruction, what in stages()[0].steps:
        match instruction:
            case "ARG":
                name, _, default = what.partition("=")
                arguments[name] = default.strip('"')
            case "COPY":
                *sources, where = what.split()
                for name in sources:
                    _copy(name, source / where)
            case "RUN":
                # As the shell of the image has them.
                run("sh", "-ec", what.replace(OPT, str(target)), cwd=source, env=_environ(arguments))
                if not (links := target / "linked").exists():
                    link_dependencies(target, links)
            case _:
                assert instruction == "WORKDIR", instruction
    return target


def _environ(arguments: dict[str, str]) -> dict[str, str]:
    # `python` of the image is the one that runs this test; how pip gets at packages is this machine's.
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", **arguments}


def _copy(name: str, where: Path) -> None:
    assert not ignored(name), f"the builder never sees {name}"
    origin = ROOT / name
    if origin.is_dir():
        shutil.copytree(origin, where, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(origin, where)


def ignored(name: str) -> bool:
    """Whether the ignore file keeps a path from the builder; the last pattern that says something of it decides."""
    patterns = (COMPOSE / "Dockerfile.dockerignore").read_text().splitlines()
    verdict = False
    for pattern in patterns:
        if pattern and not pattern.startswith("#"):
            bare = pattern.removeprefix("!").removeprefix("/")
            if fnmatch(name, bare) or name.startswith(f"{bare}/"):
                verdict = not pattern.startswith("!")
    return verdict


def link_dependencies(environment: Path, links: Path) -> None:
    """Puts what is installed here into another environment, all but tidings itself."""
    links.mkdir()
    for installed in Path(sysconfig.get_path("purelib")).iterdir():
        if not any(fnmatch(installed.name, pattern) for pattern in NOT_LINKED):
            (links / installed.name).symlink_to(installed)
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "linked.pth").write_text(f"{links}\n")


def without_rights(command: list[str]) -> list[str]:
    """The same command as the user of the image, who may write nowhere. Who is not root stays who he is.

    May still read everything: here the interpreter is in somebody's home.
    """
    if os.getuid() != 0:
        return command
    read = "--inh-caps=-all,+dac_read_search --ambient-caps=-all,+dac_read_search"
    return shlex.split(f"setpriv --reuid=10001 --regid=10001 --clear-groups --no-new-privs {read} --") + command
