"""Reads a table as it lies around: CSV with any delimiter and encoding, TSV, Excel, Parquet; the content says which."""

from __future__ import annotations

import codecs
import csv
import io
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from benchmark.datasets.base import DataError
from benchmark.store.spreadsheet import composed, unescaped

Cell: TypeAlias = str | int | float | bool | date | time | None
"""A `datetime` is a `date`. None: empty."""

BOMS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, which begins alike
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
DELIMITERS = (",", ";", "\t", "|")
DELIMITER_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
LOOKED_AT = 100
"""Lines by which the delimiter is told."""
EXCEL_ERRORS = frozenset({"#N/A", "#REF!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "#VALUE!"})
OLD_OFFICE = bytes.fromhex("d0cf11e0a1b11ae1")
READ = "CSV, TSV, Excel (.xlsx) or Parquet"


@dataclass(frozen=True)
class Sheet:
    """A table with named columns."""

    path: Path
    columns: tuple[str, ...]
    """In their order; "" of one without a name."""
    rows: Sequence[tuple[Cell, ...]]
    """As many cells each as there are columns."""
    numbers: Sequence[int]
    """Of the rows, as a spreadsheet counts them."""
    notes: tuple[str, ...] = ()
    """What was assumed; a sentence each."""

    def column(self, name: str) -> list[Cell]:
        """The cells below the header `name`. Raises DataError where two columns have it."""
        if self.columns.count(name) > 1:
            raise DataError(f"{self.path} has {self.columns.count(name)} columns {name!r}, expected one: rename them")
        place = self.columns.index(name)
        return [row[place] for row in self.rows]


def read_sheet(
    path: Path, *, sheet: str | None = None, encoding: str | None = None, delimiter: str | None = None
) -> Sheet:
    """The table in the file `path`; of an Excel file the one on `sheet`. Raises DataError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path} ({error.strerror or error}); expected a table: {READ}") from None
    if content[:4] == b"PAR1":
        grid, notes = _parquet(path, content)
    elif content[:2] == b"PK":
        grid, notes = _excel(path, content, sheet)
    elif content[:8] == OLD_OFFICE:
        raise DataError(
            f"{path} is an Excel file of the time before 2007, or one with a password, which are not read: open it, "
            "and save it as .xlsx without a password"
        )
    else:
        grid, notes = _text(path, content, encoding, delimiter)
    if sheet is not None and content[:2] != b"PK":
        raise DataError(f"{path} is no Excel file, so that it has no sheets: leave out sheet={sheet}")
    return _with_header(path, grid, notes)


def read_texts(path: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """A table that `store.spreadsheet.to_csv` wrote and somebody may have changed and saved in a spreadsheet program.

    All columns as text, "" where a cell is empty; the index says in which line of the file a row is. Beside it what
    was assumed, a sentence each. Raises DataError, whose message says what is wrong and leaves it to the caller what
    was expected.
    """
    try:
        sheet = read_sheet(path)
        columns = {name: sheet.column(name) for name in sheet.columns if name}
    except DataError as error:
        # What follows is advice for tables of labels, whose encoding and sheet a data set's options name.
        raise DataError(str(error).partition("; expected")[0]) from None
    cells = {name: [unescaped(text_of(cell) or "") for cell in column] for name, column in columns.items()}
    assumed = tuple(note.partition("; encoding=")[0] for note in sheet.notes)
    return pd.DataFrame(cells, index=list(sheet.numbers), dtype=str), assumed


def _with_header(path: Path, grid: list[tuple[Cell, ...]], notes: list[str]) -> Sheet:
    """The first row that has two cells names the columns; what stands above is a title."""
    header = next((k for k, row in enumerate(grid) if _count(row) > 1), None)
    if header is None:
        raise DataError(f"{path} has no row of two or more cells; expected column names, and rows below them")
    if any(map(_count, grid[:header])):
        notes.append(f"the first {header} row(s) of the table were left out as a title")
    names = ["" if cell is None else composed(str(cell).strip()) for cell in grid[header]]
    while not names[-1]:
        names.pop()
    rows, numbers = [], []
    for k, row in enumerate(grid[header + 1 :], header + 2):
        if _count(row[len(names) :]):
            raise DataError(
                f"{path}, row {k}: {len(row)} cells, expected at most {len(names)} as there are column names (a text "
                "that holds the delimiter needs quotes)"
            )
        if _count(row):
            rows.append((*row[: len(names)], *[None] * (len(names) - len(row))))
            numbers.append(k)
    if not rows:
        raise DataError(f"{path} has column names ({', '.join(names)}) and no row below them")
    return Sheet(path, tuple(names), rows, numbers, tuple(notes))


def _count(row: Sequence[Cell]) -> int:
    """Cells that are filled."""
    return sum(not _is_empty(cell) for cell in row)


def _is_empty(cell: Cell) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _parquet(path: Path, content: bytes) -> tuple[list[tuple[Cell, ...]], list[str]]:
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(io.BytesIO(content))
        columns = [column.to_pylist() for column in table.columns]
    except Exception as error:  # values that Python has no type for are none of Arrow's own errors
        raise DataError(f"{path} cannot be read as Parquet ({_first_line(error)}): copy it again") from None
    return [tuple(table.column_names), *zip(*columns, strict=True)], []


def _excel(path: Path, content: bytes, sheet: str | None) -> tuple[list[tuple[Cell, ...]], list[str]]:
    import openpyxl

    notes: list[str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about formats and lists of choices, which do not matter here
            book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
            grids = {}
            for page in book.worksheets:
                if page.sheet_state == "visible" or page.title == sheet:
                    page.reset_dimensions()  # some programs write them wrong
                    grids[page.title] = [tuple(row) for row in page.iter_rows(values_only=True)]
    except Exception as error:  # openpyxl, the archive and its XML raise a dozen types
        raise DataError(
            f"{path} cannot be read as an Excel file ({_first_line(error)}); expected .xlsx: open it and save it anew"
        ) from None
    filled = [name for name, grid in grids.items() if any(_count(row) > 1 for row in grid)]
    if sheet is not None and sheet not in grids:
        raise DataError(f"{path} has no sheet {sheet!r}; expected one of {', '.join(map(repr, grids))}")
    if sheet is None and len(filled) != 1:
        if not filled:
            raise DataError(f"{path} holds no filled sheet; expected column names, and rows below them")
        raise DataError(
            f"{path} has {len(filled)} sheets; expected one, or its name: sheet={filled[0]} "
            f"(they are {', '.join(map(repr, filled))})"
        )
    grid = grids[sheet or filled[0]]
    faulty = Counter(cell for row in grid for cell in row if isinstance(cell, str) and cell in EXCEL_ERRORS)
    if faulty:
        notes.append(f"{faulty.total()} cell(s) hold errors of Excel ({', '.join(sorted(faulty))}): read as empty")
        grid = [tuple(None if cell in EXCEL_ERRORS else cell for cell in row) for row in grid]
    return grid, notes


def _text(
    path: Path, content: bytes, encoding: str | None, delimiter: str | None
) -> tuple[list[tuple[Cell, ...]], list[str]]:
    text, notes = _decoded(path, content, encoding)
    start = text.lstrip()[:200].casefold()
    if start.startswith(("<html", "<!doctype", "<table", "<?xml")):
        raise DataError(f"{path} is a web page or XML, expected {READ}: open it in Excel and save it as .xlsx")
    usual = "\t" if path.suffix.lower() in (".tsv", ".tab") else ","
    used = delimiter or _delimiter(text, usual)
    if delimiter is None and used != usual:
        notes.append(f"the columns of the table are separated by {DELIMITER_NAMES[used]}")
    try:
        rows: list[tuple[Cell, ...]] = [
            tuple(row) for row in csv.reader(io.StringIO(text, newline=""), delimiter=used, strict=True)
        ]
    except csv.Error as error:
        raise DataError(f"{path} cannot be read as a table ({error}); expected {READ}") from None
    return rows, notes


def _decoded(path: Path, content: bytes, encoding: str | None) -> tuple[str, list[str]]:
    """The text of a file and what was assumed of its encoding."""
    marked = next((name for mark, name in BOMS.items() if content.startswith(mark)), None)
    if encoding is None and marked is None and content.count(0) > len(content) // 4:
        marked = "utf-16-le" if content[1:2] == b"\0" else "utf-16-be"
    try:
        name = encoding or marked or "utf-8"
        return content.decode(name).removeprefix("\ufeff"), []
    except LookupError:
        raise DataError(f"encoding={encoding} is unknown; expected utf-8, cp1252, utf-16, mac_roman, ...") from None
    except UnicodeDecodeError as error:
        if encoding is None and marked is None and 0 not in content:
            # Undefined in five places only: what is no UTF-8 is nearly always this, as Excel writes it in Europe.
            try:
                said = "the table is no UTF-8 and was read as Windows-1252; encoding=NAME takes another"
                return content.decode("cp1252"), [said]
            except UnicodeDecodeError:
                pass
        raise DataError(
            f"{path} is no text in {encoding or marked or 'UTF-8 or Windows-1252'} ({error.reason} at byte "
            f"{error.start:,}); expected {READ}, or the encoding of its text: encoding=NAME"
        ) from None


def _delimiter(text: str, usual: str) -> str:
    """The delimiter by which most lines have as many cells as the first; of several, that with most cells."""
    scores: dict[str, tuple[bool, float, int]] = {}
    for delimiter in (usual, *DELIMITERS):
        counts = [len(row) for row in _some(text, delimiter) if row]
        first = counts[0] if counts else 1
        agreeing = counts.count(first) / len(counts) if counts else 0.0
        scores.setdefault(delimiter, (first > 1, round(agreeing, 1), first))
    return max(scores, key=lambda delimiter: scores[delimiter])


def _some(text: str, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text[: 1 << 20], newline=""), delimiter=delimiter)
    try:
        yield from (row for row, _ in zip(reader, range(LOOKED_AT), strict=False))
    except csv.Error:
        return


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def text_of(cell: Any) -> str | None:
    """A cell as text without blanks around it; None where it is empty. Whole numbers have no ".0".

    Letters are `composed`.
    """
    text = exact_text(cell)
    return text and composed(text)


def exact_text(cell: Any) -> str | None:
    """As `text_of`, with the signs that the cell holds: that of a file's name."""
    if cell is None or (isinstance(cell, float) and cell != cell):
        return None
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime) and cell.time() == time():
        return cell.date().isoformat()
    return str(cell).strip() or None
