"""Files of messages, line by line, the bad lines with their numbers."""

from pathlib import Path

import pytest

from tidings.cli.message_files import BadLine, Line, MessageFile, MessageFileError


def read(path: Path, content: str | bytes) -> list[Line | BadLine]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    file = MessageFile(path)
    try:
        return list(file)
    finally:
        file.close()


def bad(lines: list[Line | BadLine]) -> list[int]:
    return [line.number for line in lines if isinstance(line, BadLine)]


@pytest.mark.parametrize("name", ["m.ndjson", "m.jsonl", "M.NDJSON"])
def test_ndjson_has_one_message_a_line(tmp_path: Path, name: str) -> None:
    assert read(tmp_path / name, '{"content": "a"}\n\n{"content": "b"}') == [
        Line(1, {"content": "a"}),
        Line(3, {"content": "b"}),
    ]


def test_lines_of_ndjson_that_are_no_objects_are_bad(tmp_path: Path) -> None:
    lines = read(tmp_path / "m.ndjson", b'{"content": "a"}\n{oops\n[1]\n"text"\n\xff\n{"content": "b"}\n')
    assert bad(lines) == [2, 3, 4, 5]
    assert [line.number for line in lines if isinstance(line, Line)] == [1, 6]


def test_csv_has_one_message_a_row_and_leaves_out_empty_cells(tmp_path: Path) -> None:
    lines = read(
        tmp_path / "m.csv",
        'channel,recipient,content,max_tries,headers\r\nsms,+12025550101,"Hello, you",3,\r\n'
        'webhook,https://example.org,x,,"{""x-a"": ""b""}"\r\n',
    )
    assert lines == [
        Line(2, {"channel": "sms", "recipient": "+12025550101", "content": "Hello, you", "max_tries": 3}),
        Line(3, {"channel": "webhook", "recipient": "https://example.org", "content": "x", "headers": {"x-a": "b"}}),
    ]


def test_a_cell_may_go_over_lines_and_the_number_is_that_of_the_first(tmp_path: Path) -> None:
    lines = read(tmp_path / "m.csv", 'recipient,content\n1,"two\nlines"\n2,x,extra\n3,y\n')
    assert [line.number for line in lines] == [2, 4, 5]
    assert bad(lines) == [4]


def test_csv_as_excel_writes_it_begins_with_a_byte_order_mark(tmp_path: Path) -> None:
    assert read(tmp_path / "m.csv", "\ufeffcontent\nx\n") == [Line(2, {"content": "x"})]


def test_rows_that_cannot_be_read_are_bad(tmp_path: Path) -> None:
    lines = read(
        tmp_path / "m.csv",
        b"content,max_tries,headers\nx,many,\nx,,{oops\nx,,[1]\n\xff,1,\nx,1\nx,1,\n",
    )
    assert bad(lines) == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("content", ["", "name,text\nx,y\n", "content,extra\nx,y\n"])
def test_csv_without_a_header_of_known_fields_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(MessageFileError, match="columns"):
        read(tmp_path / "m.csv", content)


def test_an_unknown_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MessageFileError, match=r"must end in"):
        MessageFile(tmp_path / "messages.xlsx")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MessageFileError, match="No such file"):
        MessageFile(tmp_path / "missing.csv")
