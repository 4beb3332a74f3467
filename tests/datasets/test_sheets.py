"""Tables are read as they lie around, and what was assumed is said."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.datasets._sheets import DELIMITERS, read_sheet, text_of
from benchmark.datasets.base import DataError
from tests.datasets.hospital import write_excel

CELLS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=12)
ROWS = (
    st.integers(2, 4)
    .flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=8))
    .filter(lambda rows: any(cell.strip() for row in rows for cell in row))
)
HEADER = ("file", "label", "patient", "comment")


def written(rows: list[list[str]], delimiter: str, encoding: str) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue().encode(encoding)


@settings(deadline=None, max_examples=60)
@given(ROWS, st.sampled_from(DELIMITERS), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
def test_any_text_is_read_back_with_its_delimiter_named(tmp_path_factory, rows, delimiter, encoding):
    path = tmp_path_factory.mktemp("t") / "labels.csv"
    path.write_bytes(written([list(HEADER[: len(rows[0])]), *rows], delimiter, encoding))
    sheet = read_sheet(path, delimiter=delimiter)
    assert sheet.columns == HEADER[: len(rows[0])]
    assert [list(row) for row in sheet.rows] == [row for row in rows if any(cell.strip() for cell in row)]


@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_the_delimiter_is_seen_and_told_where_it_is_not_the_usual_one(tmp_path: Path, delimiter: str) -> None:
    rows = [["file", "label", "remark"], *([f"{i}.png", "a", "large, round; dark | pale"] for i in range(9))]
    for suffix, usual in ((".csv", ","), (".tsv", "\t")):
        path = tmp_path / f"labels{suffix}"
        path.write_bytes(written(rows, delimiter, "utf-8"))
        sheet = read_sheet(path)
        assert (sheet.columns, len(sheet.rows)) == (("file", "label", "remark"), 9)
        assert bool(sheet.notes) == (delimiter != usual)


def test_windows_1252_is_assumed_of_what_is_no_utf_8_and_this_is_told(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes("Datei;Befund\na.png;bösartig\nb.png;gutartig\n".encode("cp1252"))
    sheet = read_sheet(path)
    assert sheet.column("Befund") == ["bösartig", "gutartig"]
    assert any("read as Windows-1252" in note for note in sheet.notes)
    assert read_sheet(path, encoding="cp1252").notes == ("the columns of the table are separated by semicolons",)
    path.write_bytes(path.read_bytes() + b"c.png;\x81\n")
    with pytest.raises(DataError, match="no text in UTF-8 or Windows-1252.*encoding=NAME"):
        read_sheet(path)
    with pytest.raises(DataError, match="encoding=klingon is unknown"):
        read_sheet(path, encoding="klingon")


ROWS_OF_BOTH: list[tuple[Any, ...]] = [
    ("file", "label", "size"),
    ("a.png", "x", 1),
    ("b.png", None, 2),
    ("c.png", "z", 3),
]


def test_excel_parquet_and_csv_say_the_same(tmp_path: Path) -> None:
    excel = read_sheet(write_excel(tmp_path / "t.xlsx", ROWS_OF_BOTH))
    frame = pd.DataFrame(ROWS_OF_BOTH[1:], columns=list(ROWS_OF_BOTH[0]))
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv", index=False)
    for path in ("t.parquet", "t.csv"):
        other = read_sheet(tmp_path / path)
        assert other.columns == excel.columns
        for name in excel.columns:
            assert [text_of(cell) for cell in other.column(name)] == [text_of(cell) for cell in excel.column(name)]


def test_a_sheet_is_chosen_by_name_and_empty_ones_do_not_count(tmp_path: Path) -> None:
    one = write_excel(tmp_path / "one.xlsx", ROWS_OF_BOTH, notes=[("made by Ann",)], empty=[])
    assert len(read_sheet(one).rows) == 3
    several = write_excel(tmp_path / "two.xlsx", ROWS_OF_BOTH, old=ROWS_OF_BOTH[:2])
    with pytest.raises(
        DataError, match=r"has 2 sheets; expected one, or its name: sheet=labels \(they are 'labels', 'old'"
    ):
        read_sheet(several)
    assert len(read_sheet(several, sheet="old").rows) == 1
    with pytest.raises(DataError, match="has no sheet 'new'"):
        read_sheet(several, sheet="new")


def test_titles_empty_rows_and_errors_of_excel_are_no_data(tmp_path: Path) -> None:
    rows = [("Study of 2021",), (), *ROWS_OF_BOTH[:2], (None, " ", None), ("d.png", "#N/A", 4)]
    sheet = read_sheet(write_excel(tmp_path / "t.xlsx", rows))
    assert sheet.columns == ("file", "label", "size")
    assert (sheet.numbers, sheet.column("label")) == ([4, 6], ["x", None])
    assert any("title" in note for note in sheet.notes)
    assert any("1 cell(s) hold errors of Excel (#N/A)" in note for note in sheet.notes)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 100, "before 2007, or one with a password"),
        (b"<html><table><tr><td>file</td></tr></table>", "web page"),
        (b"PK\x03\x04 cut off", "cannot be read as an Excel file"),
        (b"PAR1 cut off", "cannot be read as Parquet"),
        (b"", "no row of two or more cells"),
        (b"file,label\n", "and no row below them"),
        (b"file,label\na.png,x,y\n", "row 2: 3 cells, expected at most 2"),
        (b'file,label\n"a.png,x\n', "cannot be read as a table"),
    ],
)
def test_what_is_no_table_is_told_in_a_sentence(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "labels.xls"
    path.write_bytes(content)
    with pytest.raises(DataError, match=told):
        read_sheet(path)


def test_two_columns_of_one_name_cannot_be_meant(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("file,label,label\na.png,x,y\n")
    sheet = read_sheet(path)
    assert sheet.column("file") == ["a.png"]
    with pytest.raises(DataError, match="has 2 columns 'label', expected one"):
        sheet.column("label")


@pytest.mark.parametrize(
    ("cell", "text"),
    [(1.0, "1"), (2, "2"), (0.5, "0.5"), (" a b\xa0", "a b"), ("", None), (float("nan"), None), (True, "true")],
)
def test_cells_as_text(cell: Any, text: str | None) -> None:
    assert text_of(cell) == text
