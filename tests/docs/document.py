"""Runs a document: every block, from the first to the last, each by its language.

| language | what happens |
|---|---|
| `sh` | bash runs it, and it must succeed; a `json` block that follows is what it prints, which may be a refusal |
| `console` | what stands behind each `$ ` is run, and the lines below are what it prints, errors included |
| `json` | see `sh`; nowhere else |
| `python` | is executed, with tidings at `localhost:8080`, and must succeed |
| `toml`, `yaml` | is read |
| `nginx`, `caddyfile` | is run by `tests/security/test_proxies.py` |
| `javascript`, `java`, `go`, `php`, `ruby` | `tests/integration/channels/webhook/test_snippets.py` |
| `mermaid` | must be a diagram of states: `docs/states.md` is held against the database by another test |
| `text` | a drawing; no command may hide in it |

Any other block, and one without a language, is an error.
"""

import json
import time
import tomllib
from collections.abc import Callable, Sequence
from typing import Any, Final

import yaml

from tests.docs.blocks import Block, is_command
from tests.docs.expected import Ids, same_json, same_text
from tests.docs.not_run import excuse, words_of
from tests.docs.shell import REFUSED, Ran, Shell

PATIENCE_SECONDS: Final = 30.0
"""How long what only looks is asked again: a reader is slower than a test, and sees what has come about by then."""
PAUSE_SECONDS: Final = 0.1
_LOOKS: Final = frozenset({"doctor", "explain", "list", "show"})
_CHANGES: Final = frozenset({"--json", "-X", "-d"})


class Document:
    """One document on its way: its shell, and the ids it has shown."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._ids = Ids()

    def run(self, blocks: Sequence[Block]) -> None:
        """Runs the blocks in this order. Raises AssertionError, which names the first that is not true."""
        for at, block in enumerate(blocks):
            following = blocks[at + 1] if at + 1 < len(blocks) else None
            match block.language:
                case "sh":
                    self._script(block, following if following and following.language == "json" else None)
                case "console":
                    for command, output in _session(block):
                        self._command(block.where, command, output)
                case "json":
                    assert at, f"{block.where}: no command stands before this"
                    assert blocks[at - 1].language == "sh", f"{block.where}: this is what no `sh` block prints"
                case "python":
                    ran = self._shell.python(block.text)
                    assert ran.code == 0, f"{block.where}: {ran.err}"
                case _:
                    _look_at(block)

    def _script(self, block: Block, answer: Block | None) -> None:
        lines = []
        for line in block.text.splitlines():
            if (excused := excuse(line)) is not None:
                excused.check(words_of(line))
            else:
                lines.append(line)
        script = "\n".join(lines)
        if answer is None:
            self._until(block.where, script, lambda ran: ran.code == 0)
            return
        shown = json.loads(answer.text)
        self._until(answer.where, script, lambda ran: ran.code in {0, REFUSED} and self._is_json(shown, ran.out))

    def _command(self, where: str, command: str, output: str) -> None:
        if (excused := excuse(command)) is not None:
            excused.check(words_of(command))
            return
        self._until(where, command, lambda ran: ran.code == 0 and same_text(output, ran.out, self._ids), as_one=True)

    def _until(self, where: str, script: str, right: Callable[[Ran], bool], *, as_one: bool = False) -> None:
        """Runs a script until it does what the document says: once, or where it only looks, again for a while."""
        deadline = time.monotonic() + (PATIENCE_SECONDS if _only_looks(script) else 0.0)
        while True:
            ran = self._shell.run(self._ids.in_truth(script), as_one=as_one)
            if right(ran):
                return
            assert time.monotonic() < deadline, f"{where}: not so:\n{script}\n{ran.code}\n{ran.out}{ran.err}"
            time.sleep(PAUSE_SECONDS)

    def _is_json(self, shown: Any, printed: str) -> bool:
        try:
            return same_json(shown, json.loads(printed), self._ids)
        except json.JSONDecodeError:
            return False


def _look_at(block: Block) -> None:
    """A block that asks nothing of the system."""
    match block.language:
        case "javascript" | "java" | "go" | "php" | "ruby":
            assert block.where.startswith("docs/webhooks.md:"), f"{block.where}: nothing runs this"
        case "nginx" | "caddyfile":
            assert block.where.startswith("docs/proxies.md:"), f"{block.where}: nothing runs this"
        case "toml":
            tomllib.loads(block.text)
        case "yaml":
            yaml.safe_load(block.text)
        case "mermaid":
            assert block.text.startswith("stateDiagram-v2\n"), f"{block.where}: a diagram of another kind"
        case "text":
            hidden = [line for line in block.text.splitlines() if is_command(line)]
            assert not hidden, f"{block.where}: a command in a drawing: {hidden}"
        case _:
            raise AssertionError(f"{block.where}: a block of no language that is run: {block.language!r}")


def _session(block: Block) -> list[tuple[str, str]]:
    """The commands of a session on a terminal, each with what it prints."""
    assert block.text.startswith("$ "), f"{block.where}: begins with no command"
    found = [part.partition("\n") for part in f"\n{block.text}".split("\n$ ")[1:]]
    return [(command, output) for command, _, output in found]


def _only_looks(script: str) -> bool:
    """Whether a script is a single command that changes nothing."""
    words = words_of(script)
    match words:
        case ["curl", *_]:
            return "\n" not in script.strip() and not _CHANGES & set(words)
        case ["tidings", command, *_]:
            return command in _LOOKS and "\n" not in script.strip()
        case _:
            return False
