"""Options that come in groups."""

from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

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
