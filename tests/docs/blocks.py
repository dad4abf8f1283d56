"""What stands in a document: its fenced blocks in their order, and the commands in its sentences and tables.

Read by markdown-it, as CommonMark has it, so that a fence is a fence here wherever it is one on the page.
"""

from pathlib import Path
from typing import Final, NamedTuple

from markdown_it import MarkdownIt

ROOT: Final = Path(__file__).parents[2]
DOCUMENTS: Final = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))

PROGRAMS: Final = frozenset(
    {
        *("arq", "bash", "cat", "compose/new-env", "curl", "docker", "helm", "kubectl", "make", "pip", "pipx"),
        *("python", "tidings", "uv"),
    }
)
"""What a command begins with."""

_markdown: Final = MarkdownIt("commonmark").enable("table")


class Block(NamedTuple):
    """A block of code."""

    where: str
    """The document, and the line of the fence."""
    language: str
    """The word behind the fence; empty for none, and for code that is merely indented."""
    text: str


class Code(NamedTuple):
    """What stands between backticks."""

    where: str
    text: str


def name_of(document: Path) -> str:
    """How a document is called in what tests say."""
    return str(document.relative_to(ROOT))


def blocks(document: Path) -> list[Block]:
    """All blocks of code in a document."""
    return [
        Block(f"{name_of(document)}:{token.map[0] + 1}", token.info.strip(), token.content)
        for token in _markdown.parse(document.read_text("utf-8"))
        if token.type in {"fence", "code_block"} and token.map is not None
    ]


def code_spans(document: Path) -> list[Code]:
    """All code in the sentences and tables of a document."""
    return [
        Code(f"{name_of(document)}:{token.map[0] + 1}", child.content)
        for token in _markdown.parse(document.read_text("utf-8"))
        if token.map is not None
        for child in token.children or ()
        if child.type == "code_inline"
    ]


def inline_commands(document: Path) -> list[Code]:
    """All commands in the text of a document: code of several words, of which the first is a program."""
    return [code for code in code_spans(document) if is_command(code.text)]


def is_command(line: str) -> bool:
    """Whether a line would do something in a shell."""
    words = line.removeprefix("$ ").split()
    return line.startswith("$ ") or (len(words) > 1 and words[0] in PROGRAMS) or words[:1] == ["compose/new-env"]
