"""A migration that takes away what older programs use says from which program on: `-- oldest: N`."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec
import pytest

from sql.migrate import Migration, migrations
from tests.released import released_schema

BREAKING: Final = {
    "adding-required-field",
    "ban-drop-column",
    "ban-drop-default",
    "ban-drop-function",
    "ban-drop-table",
    "ban-drop-type",
    "changing-column-type",
    "renaming-column",
    "renaming-object",
    "renaming-table",
}
"""Rules of squawk: what an older program would stumble over."""
LATER: Final = [migration for migration in migrations() if migration.version > released_schema()]


def breaks(migration: Migration, folder: Path) -> set[str]:
    file = folder / f"{migration.name}.sql"
    file.write_text(migration.sql, "utf-8")
    squawk = Path(sys.executable).with_name("squawk")
    told = subprocess.run(
        [squawk, "--assume-in-transaction", "--pg-version", "15", "--reporter", "json", file],
        capture_output=True,
        check=False,
        text=True,
    )
    found = msgspec.json.decode(told.stdout, type=list[dict[str, object]])
    assert not [each for each in found if each["rule_name"] == "syntax-error"], told.stdout
    return {str(each["rule_name"]) for each in found} & BREAKING


@pytest.mark.parametrize("migration", LATER, ids=lambda migration: migration.name)
def test_each_since_the_last_release_only_adds_or_says_so(migration: Migration, tmp_path: Path) -> None:
    if migration.oldest is None:
        assert not breaks(migration, tmp_path)
    else:
        # Programs of its own release at the earliest, and one that exists.
        assert released_schema() < migration.oldest <= len(migrations())


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE messages DROP COLUMN tries",
        "ALTER TABLE messages RENAME tries TO efforts",
        "ALTER TABLE messages RENAME TO letters",
        "ALTER TABLE messages ALTER COLUMN tries TYPE bigint",
        "ALTER TABLE queues ADD COLUMN colour text NOT NULL",
        "ALTER TABLE queues ALTER COLUMN active DROP DEFAULT",
        "ALTER TYPE message_status RENAME VALUE 'sent' TO 'gone'",
        "DROP TABLE attempts",
        "DROP FUNCTION next_tick(queues)",
    ],
)
def test_what_takes_something_away_is_found(statement: str, tmp_path: Path) -> None:
    assert breaks(Migration(1, "of_a_test", f"{statement};\n"), tmp_path)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE messages ADD COLUMN colour text NOT NULL DEFAULT 'red'",
        "ALTER TYPE message_status ADD VALUE 'lost'",
        "CREATE TABLE letters (id uuid PRIMARY KEY)",
        "DROP TRIGGER queue_changed ON queues",
    ],
)
def test_what_adds_is_not(statement: str, tmp_path: Path) -> None:
    assert not breaks(Migration(1, "of_a_test", f"{statement};\n"), tmp_path)
