"""docs/cli.md names every command, and nothing that is not there; the help of each works."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from tidings.cli import main
from tidings.cli.commands import app

TEXT = (Path(__file__).parents[3] / "docs" / "cli.md").read_text("utf-8")
ROWS = re.findall(r"^\| `([a-z -]+)` \| .+ \| `tidings (.+)` \|$", TEXT, re.MULTILINE)


def commands(group: Any, *above: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        yield (*above, name), command
        if hasattr(command, "commands"):
            yield from commands(command, *above, name)


COMMANDS = dict(commands(typer.main.get_command(app)))
GROUPS_THAT_ONLY_GROUP = {("user",), ("secrets",), ("smtp",)}


def test_every_command_is_named_once() -> None:
    assert sorted(tuple(name.split()) for name, _ in ROWS) == sorted(COMMANDS.keys() - GROUPS_THAT_ONLY_GROUP)


@pytest.mark.parametrize(("name", "example"), ROWS)
def test_an_example_is_of_its_command_with_options_that_it_has(name: str, example: str) -> None:
    words, path = shlex.split(example), tuple(name.split())
    assert tuple(words[: len(path)]) == path
    command = COMMANDS[path]
    listing = COMMANDS.get((*path, "list"), command)
    known = {option for each in (command, listing) for parameter in each.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_the_help_of_each_command_works(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*path, "--help"]) == 0
    out, err = capsys.readouterr()
    assert f"Usage: tidings {' '.join(path)}" in out
    assert err == ""


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_option_says_what_it_is_for(path: tuple[str, ...]) -> None:
    silent = [parameter.name for parameter in COMMANDS[path].params if not getattr(parameter, "help", None)]
    assert silent == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("tidings sch", "schedule"),
        ("tidings queues st", "start"),
        ("tidings list --stat", "--status"),
        ("tidings list --status can", "cancelled"),
        ("tidings send --channel we", "webhook"),
        ("tidings send --priority h", "high"),
        ("tidings retry --reason exh", "exhausted"),
    ],
)
def test_a_shell_completes(
    words: str, expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_TIDINGS_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    with pytest.raises(SystemExit):
        main([])
    assert expected in capsys.readouterr().out.split()
