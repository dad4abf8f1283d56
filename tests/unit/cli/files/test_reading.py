"""Files of messages, line by line, the bad lines with their numbers."""

from pathlib import Path

import pytest

from tidings.cli.files.reading import BadLine, Line, MessageFile, MessageFileError, Place


def read(path: Path, content: str | bytes) -> list[Line | BadLine]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    file = MessageFile(path)
    try:
        return list(file.lines())
    finally:
        file.close()


def bad(lines: list[Line | BadLine]) -> list[int]:
    return [line.number for line in lines if isinstance(line, BadLine)]


@pytest.mark.parametrize("name", ["m.ndjson", "m.jsonl", "M.NDJSON"])
def test_ndjson_has_one_message_a_line(tmp_path: Path, name: str) -> None:
    assert read(tmp_path / name, '{"content": "a"}\n\n{"content": "b"}') == [
        Line(1, {"content": "a"}, Place(1, 17)),
        Line(3, {"content": "b"}, Place(3, 34)),
    ]


def test_lines_of_ndjson_that_are_no_objects_are_bad(tmp_path: Path) -> None:
    lines = read(tmp_path / "m.ndjson", b'{"content": "a"}\n{oops\n[1]\n"text"\n\xff\n{"content": "b"}\n')
    assert bad(lines) == [2, 3, 4, 5]
    assert [line.number for line in lines if isinstance(line, Line)] == [1, 6]


HOOK = {"channel": "webhook", "recipient": "https://example.org", "content": "x"}


def test_csv_has_one_message_a_row_and_leaves_out_empty_cells(tmp_path: Path) -> None:
    lines = read(
        tmp_path / "m.csv",
        'channel,recipient,content,max_tries,headers,retry\r\nsms,+12025550101,"Hello, you",3,,\r\n'
        'webhook,https://example.org,x,,"{""x-a"": ""b""}","{""delays"": [1, 2.5]}"\r\n',
    )
    assert [(line.number, line.message) for line in lines if isinstance(line, Line)] == [
        (2, {"channel": "sms", "recipient": "+12025550101", "content": "Hello, you", "max_tries": 3}),
        (3, {**HOOK, "headers": {"x-a": "b"}, "retry": {"delays": [1, 2.5]}}),
    ]


def test_a_cell_may_go_over_lines_and_the_number_is_that_of_the_first(tmp_path: Path) -> None:
    lines = read(tmp_path / "m.csv", 'recipient,content\n1,"two\nlines"\n2,x,extra\n3,y\n')
    assert [line.number for line in lines] == [2, 4, 5]
    assert bad(lines) == [4]


@pytest.mark.parametrize("header", ["content", '"content"'])
def test_csv_as_excel_writes_it_begins_with_a_byte_order_mark(tmp_path: Path, header: str) -> None:
    [line] = read(tmp_path / "m.csv", f"\ufeff{header}\nx\n")
    assert isinstance(line, Line)
    assert line.message == {"content": "x"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.ndjson", '\ufeff{"content": "ä"}\n\noops\r\n{"content": "b"}\n[]\n{"content": "c"}'),
        ("m.csv", '\ufeffcontent,subject\r\nä,b\r\n\r\n"two\r\nlines",x\nx\n\xff,1\n"y",z'),
    ],
)
def test_reading_goes_on_from_the_end_of_any_line(tmp_path: Path, name: str, content: str) -> None:
    whole = read(tmp_path / name, content)
    assert len(whole) > 4
    assert whole[-1].end.position == len(content.encode())
    for count, line in enumerate(whole, start=1):
        file = MessageFile(tmp_path / name)
        try:
            assert list(file.lines(line.end)) == whole[count:]
        finally:
            file.close()


def test_a_place_is_known_again_by_what_stands_before_it(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    line = read(path, "content\na\nb\n")[0]
    digests = []
    for content in ("content\na\nb\n", "content\na\nmended\n", "content\nA\nb\n", "x\n"):
        path.write_text(content)
        file = MessageFile(path)
        digests.append(file.digest(line.end))
        file.close()
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


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
