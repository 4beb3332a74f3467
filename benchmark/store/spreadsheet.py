"""Tables as CSV that people open, and perhaps change, in a spreadsheet program."""

from __future__ import annotations

import unicodedata

import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")
"""Texts that begin so are read as formulas by spreadsheet programs; an apostrophe before them prevents it (OWASP)."""


def to_csv(table: pd.DataFrame) -> bytes:
    """`table` as CSV (UTF-8) whose texts no spreadsheet program takes for formulas."""
    safe = table.copy()
    for name in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[name]):
            safe[name] = [escaped(value) if isinstance(value, str) else value for value in safe[name]]
    return str(safe.to_csv(index=False, float_format="%.6g", lineterminator="\n")).encode()


def escaped(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def composed(text: str) -> str:
    """`text` in which a letter such as ä, which a Mac writes as two signs, is one: nobody sees the difference, and
    Windows-1252, in which Excel saves, has no second sign."""
    return unicodedata.normalize("NFC", text)


def composed_cells(table: pd.DataFrame) -> pd.DataFrame:
    """`table` with its texts `composed`."""
    return table.map(lambda cell: composed(cell) if isinstance(cell, str) else cell)


def unescaped(text: str) -> str:
    """The inverse of `escaped`, without white space around it."""
    text = text.strip()
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text
