"""Documents as HTML: a fragment without scripts, styles or outside requests, for a page of any language.

Every table has a caption and headings with their scope; signs are `<abbr>` with what they stand for. Names are isolated
(`<bdi>`), so that letters from right to left reorder nothing beside them. Classes, for a style sheet: `noisybench` on
the fragment, `best` and `second` on emphasized cells, `notes`, `origin`.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from benchmark.escapes import right_to_left, visible
from benchmark.report.document import Cell, Document, Grid, Section, Span, Text

_ELEMENTS = {"strong": "strong", "code": "code"}
_EMPHASIS = {"best": "strong", "second": "u"}


def render_html(document: Document) -> str:
    lines = [
        '<article class="noisybench" lang="en" dir="ltr">',
        f"<h2>{escaped(document.title)}</h2>",
        *(f"<p>{_rendered(text)}</p>" for text in document.paragraphs),
        *map(render_section, document.sections),
        f'<p class="origin">{"<br>".join(map(escaped, document.origin))}</p>',
        "</article>",
    ]
    return "\n".join(lines) + "\n"


def render_section(section: Section, level: int = 3, after: str = "") -> str:
    """A section with its heading of `level`; `after`: HTML that follows its tables."""
    return "\n".join(_section(section, level, after))


def _section(section: Section, level: int, after: str) -> Iterator[str]:
    yield "<section>"
    yield f"<h{level}>{escaped(section.heading)}</h{level}>"
    yield from (f"<p>{_rendered(text)}</p>" for text in section.paragraphs)
    for grid in section.grids:
        yield from _grid(grid)
    if after:
        yield after
    notes = [*section.notes, *section.legend]
    if notes:
        yield '<ul class="notes">'
        yield from (f"<li>{_rendered(note)}</li>" for note in notes)
        yield "</ul>"
    yield "</section>"


def _grid(grid: Grid) -> Iterator[str]:
    yield f"<table>\n<caption>{_rendered(grid.caption)}</caption>"
    headings = "".join(f'<th scope="col">{_cell(cell)}</th>' for cell in grid.columns)
    yield f"<thead>\n<tr>{headings}</tr>\n</thead>\n<tbody>"
    for name, *values in grid.rows:
        cells = "".join(f"<td{_class(cell)}>{_cell(cell)}</td>" for cell in values)
        yield f'<tr><th scope="row"{_class(name)}>{_cell(name)}</th>{cells}</tr>'
    yield "</tbody>\n</table>"


def _class(cell: Cell) -> str:
    return f' class="{cell.emphasis}"' if cell.emphasis else ""


def _cell(cell: Cell) -> str:
    text = escaped(cell.text)
    if cell.meaning:
        text = f'<abbr title="{escape(visible(cell.meaning))}">{text}</abbr>'
    if cell.emphasis:
        element = _EMPHASIS[cell.emphasis]
        text = f"<{element}>{text}</{element}>"
    return text + escaped(cell.marks)


def _rendered(text: Text) -> str:
    return "".join(map(_span, text))


def _span(span: Span) -> str:
    element = _ELEMENTS.get(span.style)
    return f"<{element}>{escaped(span.text)}</{element}>" if element else escaped(span.text)


def escaped(text: str) -> str:
    """`text` as HTML between tags; what is written from right to left is isolated."""
    shown = visible(text)
    made = escape(shown)
    return f"<bdi>{made}</bdi>" if right_to_left(shown) else made
