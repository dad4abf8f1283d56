"""Options that come in groups."""

from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from tidings.cli import main
from tidings.cli.options import Api, Filter, unfolded


@pytest.fixture
def asked() -> list[tuple[Filter, Api, bool]]:
    return []


@pytest.fixture
def app(asked: list[tuple[Filter, Api, bool]]) -> typer.Typer:
    app = typer.Typer()

    @app.command()
    @unfolded
    def look(*, which: Filter, deep: Annotated[bool, typer.Option("--deep")] = False, api: Api) -> int:
        """Looks."""
        asked.append((which, api, deep))
        return 7

    return app


def test_each_group_is_made_of_its_own_options(app: typer.Typer, asked: list[tuple[Filter, Api, bool]]) -> None:
    command = ["--queue", "sale", "--deep", "--api-key", "k", "--status", "sent"]
    result = CliRunner().invoke(app, command, standalone_mode=False, env={"TIDINGS_URL": "http://there"})
    assert result.return_value == 7
    assert asked == [(Filter(queue="sale", status="sent"), Api(url="http://there", api_key="k"), True)]


def test_options_stand_where_their_group_does(app: typer.Typer) -> None:
    names = [parameter.name for parameter in typer.main.get_command(app).params]
    assert names[:10] == ["status", "channel", "queue", "recipient", "held", "since", "until", "deep", "url", "api_key"]


def test_a_token_in_the_list_of_processes_is_warned_of(
    app: typer.Typer, asked: list[tuple[Filter, Api, bool]], capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, environ, warned in [
        (["--api-key", "k"], {}, True),
        ([], {"API_KEY": "k"}, False),
        ([], {}, False),
    ]:
        result = CliRunner().invoke(app, arguments, env={"API_KEY": None, **environ})
        assert ("--api-key-file" in result.stderr) is warned
        assert "\nk" not in result.stderr
    assert [api.api_key for _, api, _ in asked] == ["k", "k", ""]


def test_a_token_comes_from_a_file(app: typer.Typer, asked: list[tuple[Filter, Api, bool]], tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("tdg_of_the_file\n")
    CliRunner().invoke(app, ["--api-key-file", str(file)], env={"API_KEY": "of the environment"})
    CliRunner().invoke(app, [], env={"API_KEY_FILE": str(file)})
    assert [api.api_key for _, api, _ in asked] == ["tdg_of_the_file"] * 2


@pytest.mark.parametrize("content", [None, b"", b"two words", b"\xff\xfe", b"x" * 10_000])
def test_a_file_without_a_token_is_one_line(
    content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    assert main(["list", "--api-key-file", str(file)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"tidings: --api-key-file: {file}: ")
    assert said.count("\n") == 1
