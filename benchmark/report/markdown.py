"""Documents as Markdown, aligned so that they are readable in a terminal too. Emphasis of cells is not shown."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

from benchmark.escapes import right_to_left, visible
from benchmark.report.document import Cell, Document, Grid, Section, Span, Text
from benchmark.tables.note_text import code

WIDTH = 100
_ISOLATE = "\u2068{}\u2069"
"""First strong isolate, pop directional isolate: what stands between them does not reorder what stands around."""

_MARKUP = re.compile(r"[\\*`<|]|~~|(?<!\w)_|_(?!\w)|!?\[(?=[^\]]*\]\()|&(?=#?\w+;)|\$")
"""What GitHub's Markdown would not print as it stands; an underscore between letters is one."""


def render_markdown(document: Document) -> str:
    parts = [f"# {_escaped(document.title)}", *map(_rendered, document.paragraphs)]
    parts += [part for section in document.sections for part in _section(section)]
    return "\n\n".join([*parts, "  \n".join(_wrap(_escaped(line)) for line in document.origin)]) + "\n"


def _section(section: Section) -> Iterator[str]:
    yield f"## {_escaped(section.heading)}"
    yield from (_wrap(_rendered(text)) for text in section.paragraphs)
    for grid in section.grids:
        yield _wrap(_rendered(grid.caption))
        yield _grid(grid)
    if section.notes:
        yield "\n".join(_wrap(f"- {_rendered(note)}", "  ") for note in section.notes)


def _rendered(text: Text) -> str:
    return "".join(map(_span, text))


def _span(span: Span) -> str:
    if span.style == "code":
        return code(visible(span.text))
    return f"**{_escaped(span.text)}**" if span.style == "strong" else _escaped(span.text)


def _escaped(text: str) -> str:
    shown = visible(text)
    escaped = _MARKUP.sub(lambda found: "".join(map(_as_text, found.group())), shown)
    return _ISOLATE.format(escaped) if right_to_left(shown) else escaped


def _as_text(character: str) -> str:
    # Not every reader of Markdown knows "\<", and one that does not would take a name for an element of the page.
    return "&lt;" if character == "<" else f"\\{character}"


def _grid(grid: Grid) -> str:
    return _aligned([[_cell(cell) for cell in row] for row in (grid.columns, *grid.rows)])


def _cell(cell: Cell) -> str:
    return _escaped(cell.text) + _escaped(cell.marks)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(3, *(len(row[i]) for row in rows)) for i in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _wrap(text: str, indent: str = "") -> str:
    return "\n".join(
        textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    )
