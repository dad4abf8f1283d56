"""docs/glossary.md: no word of its last table stands in the code, the documents or the tests.

| looked for in | which is |
|---|---|
| text | every line of the files; `in_flight_places` and `inFlightPlaces` are read as "in flight places" |
| prose | every line of the files, in which names stay as they are: JSON has `last_try` |
| names | a word of a name that Python, SQL or JavaScript defines, or of a module's file name |
| whole names | such a name as a whole |
| modules | the whole name of a module, or what it is imported as |
| docstrings | what a Python function says of itself |

Left out: names that the glossary says stay, vendored files, released migrations, what a benchmark measured and calls a
figure, and the glossary itself. Names are looked for in the product only, since a test's name is a sentence.
"""

import ast
import re
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.docs.blocks import ROOT

GLOSSARY: Final = ROOT / "docs" / "glossary.md"
PRODUCT: Final = ("api", "consumers", "producer", "sql", "tidings", "compose", "kubernetes", "docs")
SUFFIXES: Final = frozenset({".py", ".sql", ".js", ".md", ".yml", ".yaml"})
LEFT_OUT: Final = re.compile(r"/vendor/|^sql/migrations/|^docs/glossary\.md$|^tests/docs/test_glossary\.py$")
MEASURED: Final = re.compile(r"^benchmarks/|^tests/\w+/benchmarks/")
"""Where a figure is what a benchmark measured: each has a number and a table."""
SCOPES: Final = frozenset({"text", "prose", "names", "whole names", "modules", "docstrings"})

GAP: Final = r"[\s#*/>-]+"
"""Between two words: a line may end there, and the next begin with the mark of a comment."""
_SAYS: Final = r"(?:the|a|how|whether|what|which|those|its|it|their|them|ids?|names?)\b"

PATTERNS: Final = {
    "lane": r"(?<!\bclaim )\blanes?\b",
    "places": r"(?<!\bdecimal )(?<!\btwo )(?<!\bthree )(?<!\bin )(?<!\bthe )\bplaces\b|\bplaces (?=in flight)",
    "stands still": rf"\b(?:stands?|stood|standing){GAP}still\b",
    "belt": r"(?<!\bconveyor )\bbelt\b",
    "figures": r"\bfigures\b(?! \d)",
    "try (the noun)": (
        rf"\b(?:a|an|the|each|every|one|no|per|last|next|first|another|earlier|failed|of){GAP}try\b(?!{GAP}(?:to|again)\b)"
        rf"|\b(?:its|the|all|of|no|more|two|three|five){GAP}tries\b"
    ),
    "far side": rf"\bfar{GAP}sides?\b",
    "delivery record": rf"\bdelivery{GAP}records?\b",
    "answers (of a function)": rf"^Answers {_SAYS}|(?:;|, and|\bquery that) answers\b(?= {_SAYS}| rows)",
    "look": r"\blook\b(?! up\b)",
}
"""Where the plain word would find what is meant otherwise: "claim lane", "decimal places", "figure 8", "try again"."""


class Banned(NamedTuple):
    """A word that is not used."""

    word: str
    rather: str
    scope: str

    @property
    def pattern(self) -> "re.Pattern[str]":
        """What finds it."""
        plain = rf"\b{GAP.join(map(re.escape, self.word.split()))}\b"
        return re.compile(PATTERNS.get(self.word, plain), re.IGNORECASE)


class Found(NamedTuple):
    """Where one stands."""

    path: str
    line: int
    banned: Banned

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.banned.word!r}: say {self.banned.rather}"


def banned_words() -> list[Banned]:
    """The last table of the glossary."""
    _, _, table = GLOSSARY.read_text("utf-8").partition("| rather than | say | looked for in |\n")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[1:] if line]
    return [Banned(*row) for row in rows]


def found_in(path: str, text: str, words: Iterable[Banned]) -> Iterator[Found]:
    """Every banned word of one file."""
    for name in _names_that_stay():
        text = text.replace(name, "_" * len(name))
    names = list(_names(path, text))
    docstrings = list(_docstrings(path, text))
    plain = _as_words(text)
    module = Path(path).stem
    for banned in words:
        if banned.word == "figures" and MEASURED.search(path):
            continue
        match banned.scope:
            case "text" | "prose":
                read = plain if banned.scope == "text" else text
                lines = [read.count("\n", 0, found.start()) + 1 for found in banned.pattern.finditer(read)]
                lines += [1] if banned.pattern.search(_as_words(module)) else []
            case "names":
                lines = [line for name, line in names if banned.pattern.search(_as_words(name))]
            case "whole names":
                lines = [line for name, line in names if name == banned.word]
            case "modules":
                lines = [line for name, line in _modules(path, text) if name == banned.word]
            case _:
                lines = [line for docstring, line in docstrings if banned.pattern.search(docstring)]
        for line in sorted(set(lines)):
            yield Found(path, line, banned)


@cache
def _names_that_stay() -> list[str]:
    _, _, sentence = GLOSSARY.read_text("utf-8").partition("so they stay: ")
    return re.findall(r"`([^`]+)`", sentence.partition("\n\n")[0])


def _as_words(text: str) -> str:
    """The text with the words of its names apart; each stays in its line."""
    return re.sub(r"_|(?<=[a-z0-9])(?=[A-Z])", " ", text)


def _names(path: str, text: str) -> Iterator[tuple[str, int]]:
    """What a file defines, each with its line, and the file's own name where it is a module."""
    if (
        path.startswith(PRODUCT)
        and not path.startswith("api/compat/")
        and (read := _READERS.get(Path(path).suffix)) is not None
    ):
        yield from read(text)
        if not path.endswith(".sql"):
            yield Path(path).stem, 1


def _python_names(text: str) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, node.lineno
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name, node.lineno
            case ast.arg(arg=name) | ast.alias(asname=str(name)):
                yield name, node.lineno


def _javascript_names(text: str) -> Iterator[tuple[str, int]]:
    bare = re.sub(r"//[^\n]*|\"[^\"\n]*\"", "", text)
    for found in re.finditer(r"\b(?:function|const|let|var|class)\s+([\w$]+)", bare):
        yield found[1], bare.count("\n", 0, found.start()) + 1


def _sql_names(text: str) -> Iterator[tuple[str, int]]:
    for number, line in enumerate(text.splitlines(), start=1):
        declared = line.removeprefix("-- name:") if line.startswith("-- name:") else line.partition("--")[0]
        for name in re.findall(r"[A-Za-z_]\w*", re.sub(r"'[^']*'", "", declared)):
            yield name, number


_READERS: Final = {".py": _python_names, ".js": _javascript_names, ".sql": _sql_names}


def _modules(path: str, text: str) -> Iterator[tuple[str, int]]:
    if path.startswith(PRODUCT) and path.endswith((".py", ".js")):
        yield Path(path).stem, 1
    if path.endswith(".py"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.alias) and node.asname:
                yield node.asname, node.lineno


def _docstrings(path: str, text: str) -> Iterator[tuple[str, int]]:
    if not path.startswith((*PRODUCT, "benchmarks")) or not path.endswith(".py"):
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (docstring := ast.get_docstring(node)):
            yield docstring, node.lineno


def _files(room: str) -> list[str]:
    """The files of one folder, or of none, with those that are not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [
        path
        for path in listed.stdout.splitlines()
        if (path.startswith(f"{room}/") if room else "/" not in path)
        and Path(path).suffix in SUFFIXES
        and not LEFT_OUT.search(path)
        and (ROOT / path).is_file()
    ]


@pytest.mark.parametrize("room", [*PRODUCT, "benchmarks", "tests", ""])
def test_no_banned_word_is_used(room: str) -> None:
    words = banned_words()
    found = [found for path in _files(room) for found in found_in(path, (ROOT / path).read_text("utf-8"), words)]
    assert not found, f"{len(found)} words that docs/glossary.md bans:\n" + "\n".join(map(str, found))


def test_every_row_of_the_table_can_be_looked_for() -> None:
    words = banned_words()
    assert words
    assert {banned.scope for banned in words} <= SCOPES
    assert set(PATTERNS) <= {banned.word for banned in words}
    assert _names_that_stay()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("tidings/a.py", "self._lanes = 1\n"),
        ("sql/queries/a.sql", "-- one lane after the other\n"),
        ("docs/a.md", "Places in flight.\n"),
        ("docs/a.md", "takes 16 places at once\n"),
        ("tidings/a.py", "# what the far\n# side says\n"),
        ("tests/unit/test_a.py", "# the delivery record\n"),
        ("tidings/a.py", '"""The last try failed."""\n'),
        ("tidings/a.py", 'def count():\n    """Deletes them; answers how many."""\n'),
        ("tidings/a.py", "class _Door:\n    pass\n"),
        ("tidings/a.py", "from api.messages import bulk as many\n"),
        ("tidings/a.py", "def told(self): ...\n"),
        ("api/dashboard/static/a.js", "function look() {}\n"),
        ("sql/queries/a.sql", "SELECT unnest(:moments)\n"),
        ("api/compat/words.py", ""),
        ("tidings/domain/moments.py", ""),
        ("producer/gathering.py", ""),
        ("tidings/a.py", "def f(*, alone: bool): ...\n"),
        ("docs/a.md", "Figures at 9464.\n"),
        ("benchmarks/a.py", "LANES = 1\n"),
        ("tidings/a.py", "case.places = 1\n"),
    ],
)
def test_a_banned_word_is_found(path: str, text: str) -> None:
    assert list(found_in(path, text, banned_words()))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("sql/queries/a.sql", "-- each claim lane: claim_lane\n"),
        ("producer/a.py", "class ClaimLane:\n    pass\n"),
        ("tidings/a.py", "# rounded to three decimal places, in the two places where it matters\n"),
        ("tidings/channels/a.py", "def places_per_destination(self): ...\n"),
        ("tidings/a.py", 'limit: int = field(name="places")\n'),
        ("benchmarks/a.py", "FIGURES = [figure for figure in figures]\n"),
        ("api/compat/a.py", "class Done: ...\n"),
        ("tidings/a.py", "done, late = asyncio.wait(tasks)\nhow_many = many = 1\n"),
        ("docs/a.md", "try it, try again, or look it up; it is told apart from the many others\n"),
        ("docs/a.md", "`tries` and `max_tries`; the figures 1, 3 and 8; a conveyor belt\n"),
        ("tidings/a.py", "words = text.split()\ntry:\n    look_up()\nexcept ValueError:\n    raise\n"),
        ("tidings/a.py", 'def f():\n    """The gateway takes it, and answers 202."""\n'),
        ("tidings/a.py", 'def f():\n    """Answers every error with a problem document."""\n'),
        ("tests/unit/test_a.py", "def test_nobody_is_told_unless_asked(): ...\n"),
    ],
)
def test_an_ordinary_word_is_not(path: str, text: str) -> None:
    assert list(found_in(path, text, banned_words())) == []
