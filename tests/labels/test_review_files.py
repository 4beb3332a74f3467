"""A review is read as people save it, whatever their spreadsheet program writes."""

from __future__ import annotations

import io
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from benchmark.datasets.base import DataError
from benchmark.labels.review_files import read
from benchmark.store.spreadsheet import to_csv

TABLE = pd.DataFrame(
    {
        "index": ["3", "17", "4"],
        "file": ["a.png", "Übersicht, alt.png", "-b.png"],
        "given_class": ["0", "Neutrophil", "=Blast"],
        "decision": ["", "relabel", "keep"],
        "new_label": ["", "Ödem", ""],
        "comment": ["Ärger", "two\nlines; one cell", ""],
    }
)


def excel(path: Path, *sheets: str) -> Path:
    """TABLE on each of `sheets`, numbers as numbers."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name in sheets:
        sheet = book.create_sheet(name)
        for row, cells in enumerate([list(TABLE), *TABLE.to_numpy().tolist()], 1):
            for column, text in enumerate(cells, 1):
                cell = sheet.cell(row, column, int(text) if text.isdigit() else text or None)
                if text.startswith("="):
                    cell.data_type = "s"  # a text, as where an apostrophe was typed before it
    book.save(path)
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_csv_in_each_encoding_of_excel_is_read_and_what_was_assumed_is_said(tmp_path, separator, encoding):
    path = tmp_path / "review.csv"
    written = pd.read_csv(io.BytesIO(to_csv(TABLE)), dtype=str, keep_default_na=False)
    path.write_bytes(written.to_csv(index=False, sep=separator).encode(encoding))
    review = read(path)
    assert review.rows.to_dict("list") == TABLE.to_dict("list")
    names = {";": "semicolons", "\t": "tabs"}
    assert review.assumed == (
        *(("the table is no UTF-8 and was read as Windows-1252",) if encoding == "cp1252" else ()),
        *((f"the columns of the table are separated by {names[separator]}",) if separator in names else ()),
    )


def test_an_excel_file_is_read_as_its_csv_is(tmp_path):
    assert read(excel(tmp_path / "review.xlsx", "suspects")).rows.to_dict("list") == TABLE.to_dict("list")


def test_rows_are_counted_as_the_spreadsheet_counts_them(tmp_path):
    path = tmp_path / "review.csv"
    path.write_text("index,decision\n3,keep\n,\n4,drop\n")
    assert read(path).rows.index.tolist() == [2, 4]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("review.csv", b"", "is empty"),
        ("review.csv", b"\r\n \n", "is empty"),
        ("review.json", b"", "is empty"),
        ("review.json", b"index,decision", "is no JSON export of Label Studio"),
        ("review.csv", b"index", "has no row of two or more cells"),
        ("review.csv", b"index,decision,index\n1,keep,2\n", "has 2 columns 'index', expected one: rename them"),
        ("review.csv", b"index,decision\n\x81,\xff\n", "is no text in UTF-8 or Windows-1252"),
        ("review.xls", bytes.fromhex("d0cf11e0a1b11ae1"), "is an Excel file of the time before 2007"),
    ],
)
def test_a_file_that_is_no_review_is_a_sentence_without_options_that_the_command_lacks(tmp_path, name, content, said):
    path = tmp_path / name
    path.write_bytes(content)
    assert_refused(path, said)


def test_of_several_sheets_none_is_taken_for_the_review(tmp_path):
    assert_refused(excel(tmp_path / "review.xlsx", "mine", "yours"), "has 2 sheets")


def assert_refused(path: Path, said: str) -> None:
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path} {said}")
    for option in ("encoding=", "sheet=", "codec", "columns to parse"):
        assert option not in str(caught.value)


def test_a_file_that_is_gone_is_named(tmp_path):
    with pytest.raises(DataError, match="gone.csv cannot be read"):
        read(tmp_path / "gone.csv")
