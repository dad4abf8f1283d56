"""tests/docs/document.py: a block that is not true, or that nothing would run, fails its document."""

import os
from pathlib import Path

import pytest

from tests.docs.blocks import Block
from tests.docs.document import Document
from tests.docs.running import Running
from tests.docs.shell import Shell


@pytest.fixture
def document(tmp_path: Path) -> Document:
    return Document(Shell(Running("http://127.0.0.1:1", os.environ), tmp_path))


def block(language: str, text: str) -> Block:
    return Block("page.md:1", language, text)


@pytest.mark.parametrize(
    "blocks",
    [
        [block("sh", "false\n")],
        [block("sh", "false | true\ntrue\n")],
        [block("sh", "echo '{}'\n"), block("json", '{"a": 1}\n')],
        [block("sh", "echo oh\n"), block("json", "{}\n")],
        [block("json", "{}\n")],
        [block("console", "$ echo one\ntwo\n")],
        [block("console", "$ false\n")],
        [block("console", "echo one\none\n")],
        [block("python", "import nothing_of_that_name\n")],
        [block("text", "a drawing\n$ echo one\n")],
        [block("text", "tidings send +12025550101 Hello\n")],
        [block("", "a drawing\n")],
        [block("ruby", "puts 1\n")],
        [block("sh", "make targets-that-there-are-not\n")],
        [block("sh", "tidings drill --spare consumer\n")],
        [block("sh", "docker compose -f compose/docker-compose.yaml exec database true\n")],
        [block("sh", "kubectl --contxt tidings get pods\n")],
    ],
    ids=lambda blocks: " ".join(each.text.strip() for each in blocks),
)
def test_what_is_not_so_fails(document: Document, blocks: list[Block]) -> None:
    with pytest.raises(AssertionError):
        document.run(blocks)


def test_variables_and_files_are_there_in_the_next_block(document: Document) -> None:
    document.run([
        block("sh", "greeting=hello\necho $greeting > file\n"),
        block("sh", "echo \"[\\\"$greeting\\\", \\\"$(cat file)\\\"]\"\n"),
        block("json", '["hello", "hello"]\n'),
    ])  # fmt: skip
