"""What a page of tables says, before it has a format: headings, paragraphs, grids of cells and notes.

A layout (`benchmark.report.layouts.all`) makes a `Document`; Markdown, LaTeX and HTML write it. A layout decides what a
cell says, a format only how it looks, so that all formats say the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from benchmark.tables.note_text import split

Style = Literal["plain", "strong", "code"]
Emphasis = Literal["best", "second"]
"""Of cells of the group that shares the best letter, and of the next one; only where the order is resolved."""


@dataclass(frozen=True)
class Span:
    """A piece of a text. `text` is no markup: formats escape it."""

    text: str
    style: Style = "plain"


Text = tuple[Span, ...]


@dataclass(frozen=True)
class Cell:
    text: str
    marks: str = ""
    """What stands after the text and is no part of it: "†", " (2 nets)"."""
    meaning: str = ""
    """Where the text is a sign: what it stands for."""
    emphasis: Emphasis | None = None


@dataclass(frozen=True)
class Grid:
    """A table: every row has a cell for each column, the first of which names the row."""

    caption: Text
    columns: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Section:
    heading: str
    paragraphs: tuple[Text, ...] = ()
    grids: tuple[Grid, ...] = ()
    legend: tuple[Text, ...] = ()
    """What the emphasis of cells means, or why there is none. For formats that show it."""
    notes: tuple[Text, ...] = ()


@dataclass(frozen=True)
class Document:
    title: str
    paragraphs: tuple[Text, ...]
    sections: tuple[Section, ...]
    origin: tuple[str, ...]
    """Lines that say where the numbers come from."""


def plain(text: str) -> Text:
    return (Span(text),)


def strong(text: str) -> Text:
    return (Span(text, "strong"),)


def marked(note: str) -> Text:
    """A note of `tables`."""
    return tuple(Span(text, "code" if is_code else "plain") for text, is_code in split(note))


def grid(caption: Text, columns: Sequence[str | Cell], rows: Sequence[Sequence[str | Cell]]) -> Grid:
    """A grid of cells, in which a text stands for a cell that says no more."""
    return Grid(caption, tuple(map(_cell, columns)), tuple(tuple(map(_cell, row)) for row in rows))


def _cell(content: str | Cell) -> Cell:
    return Cell(content) if isinstance(content, str) else content
