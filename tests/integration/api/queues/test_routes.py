"""api/queues/routes.py"""

from typing import Final

from tests.integration.api.client import Api

PATH = "/api/v1/queues"
DEFAULT = {
    "name": "default",
    "active": True,
    "interval_seconds": 0.0,
    "batch_size": None,
    "last_claimed_at": None,
    "next_tick_at": None,
    "retry": None,
}


async def test_the_default_queue_is_always_there(api: Api) -> None:
    assert (await api.get(PATH)).body == {"queues": [DEFAULT]}
    assert (await api.get(f"{PATH}/default")).body == DEFAULT


async def test_a_queue_is_made_and_changed(api: Api) -> None:
    made = await api.put(f"{PATH}/night", {"interval_seconds": 120, "batch_size": 2})
    night = {**DEFAULT, "name": "night", "interval_seconds": 120.0, "batch_size": 2}
    assert (made.status, made.headers["Location"], made.body) == (201, f"{PATH}/night", night)
    assert (await api.get(f"{PATH}/night")).body == night
    changed = await api.put(f"{PATH}/night", {"interval_seconds": 0.5})
    assert (changed.status, changed.body) == (200, {**night, "interval_seconds": 0.5, "batch_size": None})
    assert "Location" not in changed.headers
    assert [queue["name"] for queue in (await api.get(PATH)).body["queues"]] == ["default", "night"]


async def test_start_and_stop_as_often_as_you_like(api: Api) -> None:
    for action, active in (("stop", False), ("stop", False), ("start", True), ("start", True)):
        answer = await api.post(f"{PATH}/default/{action}")
        assert (answer.status, answer.body) == (200, {**DEFAULT, "active": active})


async def test_a_new_pace_leaves_a_stopped_queue_stopped(api: Api) -> None:
    await api.post(f"{PATH}/default/stop")
    assert (await api.put(f"{PATH}/default", {"interval_seconds": 1})).body["active"] is False
    assert (await api.put(f"{PATH}/default", {"active": True})).body["active"] is True


async def test_a_queue_may_be_made_stopped(api: Api) -> None:
    assert (await api.put(f"{PATH}/night", {"active": False})).body["active"] is False


async def test_messages_go_to_a_queue_as_soon_as_it_is_made(api: Api) -> None:
    await api.accept()
    await api.put(f"{PATH}/night", {})
    assert (await api.accept(queue="night"))["queue"] == "night"


async def test_a_name_that_cannot_be(api: Api) -> None:
    for name in ("Night", "-night", "n" * 64, "a%20b", "%00", "%C3%A4"):
        answer = await api.put(f"{PATH}/{name}", {})
        assert (answer.status, answer.faults) == (422, [(None, "name")]), name
        assert (await api.get(f"{PATH}/{name}")).status == 404
        assert (await api.post(f"{PATH}/{name}/start")).status == 404


async def test_an_unknown_queue(api: Api) -> None:
    for method, action in (("GET", ""), ("POST", "/start"), ("POST", "/stop")):
        assert (await api.send(method, f"{PATH}/nowhere{action}")).status == 404


WRONG_FIELDS: Final[list[tuple[str, object]]] = [
    ("active", 1),
    ("interval_seconds", -1),
    ("interval_seconds", "1"),
    ("interval_seconds", 10**9),
    ("batch_size", 0),
    ("batch_size", 10**9),
    ("credit", 1),
]


async def test_each_field_wrong_in_turn(api: Api) -> None:
    for field, value in WRONG_FIELDS:
        answer = await api.put(f"{PATH}/night", {field: value})
        assert (answer.status, answer.faults) == (422, [(None, field)]), value
    assert len((await api.get(PATH)).body["queues"]) == 1


async def test_a_queue_has_retries_of_its_own_for_what_it_takes_from_then_on(api: Api) -> None:
    path, policy = "/api/v1/queues/patient", {"delays": [60, 3600]}
    assert (await api.put(path, {})).body["retry"] is None
    before = await api.accept(queue="patient")
    assert (await api.put(path, {"retry": policy})).body["retry"] == policy
    assert (await api.put(path, {"interval_seconds": 1})).body["retry"] == policy, "absent leaves it as it is"
    assert (await api.get(path)).body["retry"] == policy
    message = await api.accept(queue="patient")
    assert (message["max_tries"], message["retry"]) == (3, policy)
    assert (await api.accept(queue="patient", retry={"delays": [1]}))["retry"] == {"delays": [1]}
    assert (await api.get(f"/api/v1/messages/{before['id']}")).body == before
    assert (await api.put(path, {"retry": None})).body["retry"] is None
    assert (await api.accept(queue="patient"))["retry"] == before["retry"]


async def test_wrong_retries_of_a_queue_are_named(api: Api) -> None:
    answer = await api.put("/api/v1/queues/patient", {"retry": {"delays": []}})
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "retry.delays")
