"""The compose file as its engine would see it, with a fresh `.env`: anchors resolved, variables filled in."""

import re
from pathlib import Path
from typing import Any, Final

from tests.deployment.files import COMPOSE, read_yaml, run

VARIABLE: Final = re.compile(r"\$\{(?P<name>[A-Z_]+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}")

Service = dict[str, Any]


class Stack:
    """All services of all profiles."""

    def __init__(self, env: dict[str, str]) -> None:
        self._env = env
        self.file: dict[str, Any] = _filled_in(read_yaml(COMPOSE / "docker-compose.yaml"), env)
        self.services: dict[str, Service] = self.file["services"]

    @property
    def ours(self) -> dict[str, Service]:
        """The services that run a process of tidings."""
        return {
            name: service
            for name, service in self.services.items()
            if "entrypoint" not in service and _is_ours(service)
        }


def new_env(folder: Path, *options: str) -> dict[str, str]:
    """What `compose/new-env` writes."""
    file = folder / ".env"
    run("sh", COMPOSE / "new-env", *options, file)
    return read_env(file.read_text())


def read_env(text: str) -> dict[str, str]:
    """NAME=value lines; the others are comments."""
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def seconds(duration: str) -> float:
    """Of `90s` or `1m30s`, as compose writes durations."""
    parts = re.findall(r"(\d+)(ms|[smh])", duration)
    assert "".join(map("".join, parts)) == duration, f"{duration} is no duration"
    return sum(int(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit] for number, unit in parts)


def _is_ours(service: Service) -> bool:
    return str(service["image"]).startswith("tidings:")


def _filled_in(node: Any, env: dict[str, str]) -> Any:
    match node:
        case dict():
            return {key: _filled_in(value, env) for key, value in node.items()}
        case list():
            return [_filled_in(value, env) for value in node]
        case str():
            return VARIABLE.sub(lambda found: _value(found, env), node)
        case _:
            return node


def _value(found: re.Match[str], env: dict[str, str]) -> str:
    value = env.get(found["name"], "")
    if not value and found["kind"] == "?":
        raise KeyError(f"{found['name']}: {found['rest']}")
    return value or (found["rest"] if found["kind"] == "-" else "")
