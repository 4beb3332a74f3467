"""Whole numbers that a table spells in several ways: '0139', 139, '139.0' and '139,0' are one patient.

Excel makes numbers of some cells and leaves others as text, and drops leading zeros.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from benchmark.datasets._sheets import Cell, Sheet, text_of

WHOLE = re.compile(r"(-?)0*([0-9]+)([.,]00?)?")
"""Three zeros behind a comma or a point may be a thousand."""


def plain_number(text: str) -> str:
    """A whole number without leading zeros and decimals; another text as it is."""
    whole = WHOLE.fullmatch(text)
    return whole[1] + whole[2] if whole else text


def one_spelling(texts: Iterable[str]) -> dict[str, str]:
    """Text -> number, of those numbers that `texts` spell in several ways. The others stay as they are."""
    spellings: dict[str, list[str]] = {}
    for text in dict.fromkeys(texts):
        spellings.setdefault(plain_number(text), []).append(text)
    return {text: number for number, several in spellings.items() if len(several) > 1 for text in several}


def names_of(sheet: Sheet, column: str | None, role: str) -> tuple[list[str | None], list[str]]:
    """The patients or sites (`role`) in a column, numbers in one spelling each, and a sentence where there were more.

    Two who are taken for one stay together; one who is taken for two may be trained on and tested with.
    """
    if column is None:
        return [None] * len(sheet.rows), []
    cells = sheet.column(column)
    texts = [text_of(cell) for cell in cells]
    same = one_spelling(filter(None, texts))
    notes = []
    if same:
        notes.append(
            f"{role}s: {len({*same.values()})} number(s) of the column {column!r} are spelled in several ways, such as "
            f"{_example(cells, same)}: taken for the same {role} each; if they are not, put a letter before one of them"
        )
    return [text and same.get(text, text) for text in texts], notes


def _example(cells: Sequence[Cell], same: dict[str, str]) -> str:
    """The spellings of one number, as the cells hold them."""
    number = next(iter(same.values()))
    by_text = {text: cell for cell in cells if (text := text_of(cell)) is not None and same.get(text) == number}
    return " and ".join(repr(cell.strip() if isinstance(cell, str) else cell) for cell in by_text.values())
