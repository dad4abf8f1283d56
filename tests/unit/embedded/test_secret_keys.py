"""tidings/embedded/secret_keys.py"""

from pathlib import Path

import pytest

from tidings import embedded
from tidings.domain.errors import SettingsError
from tidings.embedded.secret_keys import FILE_NAME, ensure_secret_keys, kept_secret_keys
from tidings.runtime.stores import resolve
from tidings.security.secretbox import SecretBox, new_key
from tidings.settings import Settings


def test_keys_are_made_once_and_for_their_owner_only(tmp_path: Path) -> None:
    made = ensure_secret_keys(tmp_path)
    SecretBox([made])
    assert ensure_secret_keys(tmp_path) == made == kept_secret_keys(tmp_path)
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_a_draft_of_a_crashed_start_is_no_key(tmp_path: Path) -> None:
    (tmp_path / f"{FILE_NAME}.new").write_text("half a k")
    assert kept_secret_keys(tmp_path) == ""
    SecretBox([ensure_secret_keys(tmp_path)])


def test_no_keys_where_no_directory_is(tmp_path: Path) -> None:
    assert kept_secret_keys(tmp_path / "nowhere") == ""


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(SettingsError, match=r"^SECRET_KEYS: cannot be read from .*secret_keys: "):
        kept_secret_keys(tmp_path)


def test_every_process_finds_the_keys_of_the_embedded_postgres(tmp_path: Path) -> None:
    assert resolve(Settings(data_dir=tmp_path)).secret_keys == ()
    first, second = new_key(), new_key()
    (tmp_path / FILE_NAME).write_text(f"{first}, {second}\n")
    assert resolve(Settings(data_dir=tmp_path)).secret_keys == (first, second)
    told = Settings(data_dir=tmp_path, postgres_uri=embedded.addresses(tmp_path).postgres_uri)
    assert resolve(told).secret_keys == (first, second)


def test_keys_that_are_set_win_and_another_postgres_has_its_own(tmp_path: Path) -> None:
    ensure_secret_keys(tmp_path)
    own = (new_key(),)
    assert resolve(Settings(data_dir=tmp_path, secret_keys=own)).secret_keys == own
    assert resolve(Settings(data_dir=tmp_path, postgres_uri="postgres://db/tidings")).secret_keys == ()


def test_keys_that_are_none_are_told(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("hunter2")
    with pytest.raises(SettingsError, match=r"^SECRET_KEYS: must be 32 bytes"):
        resolve(Settings(data_dir=tmp_path))
