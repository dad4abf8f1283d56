"""The named queries, and the fragments that stand in several of them."""

import re

from sql.loader import FRAGMENTS, QUERIES_DIR, load_queries
from tidings.domain.api_key import ApiKey
from tidings.domain.message import Delivery, Message, NewMessage, Queue

TEXT = FRAGMENTS.read_text("utf-8")
NAMES = re.findall(r"^-- fragment: (\w+)$", TEXT, re.MULTILINE)


def columns(fragment: str) -> list[str]:
    [(body)] = re.findall(rf"-- fragment: {fragment}\n(?:--.*\n)*((?:(?!--).*\n)+)", TEXT)
    return [column.rpartition(" AS ")[2].strip().partition("::")[0] for column in body.strip().split(",")]


def test_every_fragment_is_put_in_where_it_is_named() -> None:
    queries = load_queries()
    statements = [getattr(queries, name).sql for name in queries.available_queries]
    assert [statement for statement in statements if re.search(r"\{[a-z_]+\}", statement)] == []


def test_every_fragment_is_used_more_than_once() -> None:
    text = "".join(file.read_text("utf-8") for file in QUERIES_DIR.glob("*.sql"))
    assert {name: text.count(f"{{{name}}}") for name in NAMES if text.count(f"{{{name}}}") < 2} == {}


def test_the_columns_are_the_fields() -> None:
    assert columns("message_columns") == ["content", "{short_columns}"]
    assert {"content", *columns("short_columns")} == set(Message.__struct_fields__) - {"mail", "content_truncated"}
    assert set(columns("new_message_columns")) == set(NewMessage.__struct_fields__) - {"mail"}
    assert columns("queue_columns") == list(Queue.__struct_fields__)
    assert set(columns("api_key_columns")) == set(ApiKey.__struct_fields__)


def test_take_has_the_columns_in_the_order_of_the_fields() -> None:
    [selected] = re.findall(r"\nSELECT\n(.*?)\nFROM messages\n", load_queries().take.sql, re.DOTALL)
    *columns, clock = re.split(r",(?![^()]*\))", selected)
    names = [column.rpartition(" AS ")[2].strip() for column in columns]
    assert names == [name for name in Delivery.__struct_fields__ if name != "mail"]
    assert clock.strip() == "statement_timestamp() AS seen_at"
