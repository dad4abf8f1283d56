"""`tidings queues` against a real API."""

from tests.integration.api.client import Api
from tests.integration.cli.conftest import Tidings


async def test_start_stop_and_pace(tidings: Tidings, api: Api) -> None:
    assert (await tidings("queues", "stop", "default")).out == "default is stopped, as soon as due\n"
    assert (await api.get("/api/v1/queues/default")).body["active"] is False
    assert (await tidings("queues", "start", "default")).out == "default is on, as soon as due\n"
    made = await tidings("queues", "pace", "news", "--every", "2m", "--messages", "2")
    assert (made.code, made.out) == (0, "news is on, 2 every 120 s\n")
    assert (await tidings("queues", "pace", "news", "--every", "0")).out == "news is on, as soon as due\n"
    assert (
        await tidings("queues", "pace", "news", "--every", "1h")
    ).out == "news is on, all that is due every 3600 s\n"
    listed = [line.split()[:2] for line in (await tidings("queues")).out.splitlines()[1:]]
    assert listed == [["default", "on"], ["news", "on"]]


async def test_json(tidings: Tidings, api: Api) -> None:
    assert (await tidings("queues", "--json")).json == (await api.get("/api/v1/queues")).body
    assert (await tidings("queues", "list", "--json")).json == (await api.get("/api/v1/queues")).body
    assert (await tidings("queues", "stop", "default", "--json")).json["active"] is False


async def test_a_queue_that_is_not_there_is_exit_code_1(tidings: Tidings) -> None:
    for command in ("start", "stop"):
        ran = await tidings("queues", command, "nowhere")
        assert (ran.code, ran.out, ran.err) == (
            1,
            "",
            "tidings: queue 'nowhere' does not exist; create it: tidings queues pace nowhere --every 0\n",
        )


async def test_what_is_wrong_is_one_line(tidings: Tidings) -> None:
    for arguments in (
        ("pace", "news"),
        ("pace", "news", "--every", "often"),
        ("pace", "NEWS", "--every", "1s"),
        ("mend",),
    ):
        ran = await tidings("queues", *arguments)
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
