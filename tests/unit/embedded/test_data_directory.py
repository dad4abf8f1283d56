"""Where things are in a data directory."""

from pathlib import Path

from tidings import embedded
from tidings.embedded.data_directory import MAX_SOCKET_PATH, DataDirectory


def test_addresses_need_no_directory(tmp_path: Path) -> None:
    found = embedded.addresses(tmp_path / "not there")
    assert found.postgres_uri.startswith("postgres://tidings@/tidings?host=")
    assert found.redis_uri.startswith("unix:///")
    assert not (tmp_path / "not there").exists()


def test_sockets_are_inside_where_their_path_is_short_enough() -> None:
    assert DataDirectory(Path("/srv/tidings")).run == Path("/srv/tidings/run")


def test_sockets_are_elsewhere_where_it_is_not() -> None:
    deep = DataDirectory(Path("/srv") / ("deep" * 30))
    assert not deep.run.is_relative_to(deep.path)
    assert len(str(deep.socket_directory("postgres") / ".s.PGSQL.5432")) <= MAX_SOCKET_PATH


def test_two_long_paths_do_not_share_their_sockets() -> None:
    assert DataDirectory(Path("/a" * 60)).run != DataDirectory(Path("/b" * 60)).run


def test_the_same_directory_by_another_name_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert embedded.addresses(tmp_path / "link") == embedded.addresses(tmp_path / "data")
