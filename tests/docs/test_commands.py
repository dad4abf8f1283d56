"""The commands in the text of the documents, between backticks: each is one that there is; the examples are run."""

import os
import re
from pathlib import Path

import pytest

from tests.docs.blocks import DOCUMENTS, ROOT, blocks, inline_commands, name_of
from tests.docs.expected import Ids, same_text
from tests.docs.not_run import NOT_RUN, accepted_by_the_command_line, excuse, words_of
from tests.docs.running import Running
from tests.docs.shell import Shell
from tidings.settings import Settings

pytestmark = pytest.mark.timeout(300)

EXAMPLES = re.findall(r"\| `(tidings .+)` \|$", (ROOT / "docs" / "cli.md").read_text("utf-8"), re.MULTILINE)
"""The last column of the tables of docs/cli.md, in its order."""
ABOUT_ACCOUNTS = ("tidings user ", "tidings secrets ")
EXAMPLE_ID = "01a201e8-164f-707a-99cd-0e25ac5d8d35"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_a_command_in_a_sentence_is_one_that_there_is(document: Path) -> None:
    for command in inline_commands(document):
        words, excused = words_of(command.text), excuse(command.text)
        assert excused is not None or words[0] == "tidings", f"{command.where}: {command.text}: of no known program"
        check = accepted_by_the_command_line if excused is None else excused.check
        try:
            check(words)
        except AssertionError as error:
            raise AssertionError(f"{command.where}: {command.text}: {error}") from None


def test_the_examples_of_the_command_line_work(system: Running, tmp_path: Path) -> None:
    shell = Shell(system, tmp_path)
    shell.run_well("tidings queues pace newsletter --every 1h")
    (tmp_path / "messages.csv").write_text("channel,recipient,content\nsms,+12025550102,Hello\n")
    ids = Ids()
    accepted = shell.run_well("tidings schedule +12025550101 Hello --in 1h")
    assert same_text(f"accepted {EXAMPLE_ID}, due …", accepted, ids)
    for example in EXAMPLES:
        if excuse(example) is None and not example.startswith(ABOUT_ACCOUNTS):
            shell.run_well(ids.in_truth(example))


def test_the_examples_about_accounts_work(settings: Settings, tmp_path: Path) -> None:
    """They need Postgres only, here one without anything else."""
    environ = {**os.environ, "POSTGRES_URI": settings.postgres_uri}
    shell = Shell(Running("http://127.0.0.1:1", environ), tmp_path)
    for name in ("ada", "ida"):
        shell.run_well(f"tidings user add {name}@example.com")
    shell.run_well("SECRET_KEYS=$(tidings secrets new-key)")
    for example in EXAMPLES:
        if example.startswith(ABOUT_ACCOUNTS):
            shell.run_well(example)


def test_nothing_is_excused_that_no_document_says() -> None:
    said = [line for document in DOCUMENTS for block in blocks(document) for line in block.text.splitlines()]
    said += [command.text for document in DOCUMENTS for command in inline_commands(document)]
    used = {excused.begins for line in said if (excused := excuse(line)) is not None}
    assert used == {each.begins for each in NOT_RUN}
