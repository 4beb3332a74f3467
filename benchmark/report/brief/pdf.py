"""The page as PDF, A4: the same words, tables and pictures as in HTML."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import UsageError, pip_install
from benchmark.escapes import visible
from benchmark.report.brief.facts import Doubtful
from benchmark.report.brief.words import Page, Part
from benchmark.report.document import Cell, Grid, Text, plain
from benchmark.report.pictures import thumbnail

if TYPE_CHECKING:
    from fpdf import FPDF

MARGIN = 15.0
"""In mm, as all lengths here."""
LINE = 4.3
SIZE, SMALL = 9.0, 7.5
"""Font sizes in pt."""
LONGEST = 150.0
"""Height of a table that is kept on one page."""
COLUMNS, SIDE, GAP = 6, 27.0, 3.6
"""Of pictures: in a row, width and height, and the space between."""
PIXELS = 224
"""Width of a picture."""
SOFT, WARN, QUIET, RULE = (242, 244, 247), (253, 245, 234), (83, 88, 95), (201, 204, 209)
FONT, MONO = "sans", "mono"
FACES = {
    (FONT, ""): "DejaVuSans.ttf",
    (FONT, "B"): "DejaVuSans-Bold.ttf",
    (MONO, ""): "DejaVuSansMono.ttf",
}
UNKNOWN = "\N{WHITE SQUARE}"
"""In the place of a letter that the font lacks."""


def pdf(page: Page) -> bytes:
    """Raises UsageError where the extra is not installed."""
    try:
        import matplotlib
        from fpdf import FPDF
    except ImportError as error:
        raise UsageError(f"PDF needs {error.name}; expected it from {pip_install('noisybench[pdf]')}") from None
    paper = FPDF(format="A4")
    # matplotlib brings a free font that has Greek and Cyrillic letters too.
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for (family, style), file in FACES.items():
        paper.add_font(family, style, fonts / file)
    return _Writer(paper).write(page)


class _Writer:
    """Puts a page onto paper, from the top down."""

    def __init__(self, paper: FPDF) -> None:
        self.paper = paper
        self.letters = {face: set(font.cmap) for face, font in _fonts(paper).items()}

    def write(self, page: Page) -> bytes:
        paper = self.paper
        paper.set_title(page.title)
        paper.set_lang("en")
        paper.set_creation_date(datetime(2000, 1, 1, tzinfo=UTC))  # equal pages are equal files
        paper.set_margin(MARGIN)
        paper.set_auto_page_break(True, MARGIN)
        paper.add_page()
        self._heading(page.title, 15)
        self._block([page.limits], WARN)
        paper.ln(2)
        self._block([f"\N{BULLET} {point}" for point in page.points], SOFT, "In short")
        for part in page.parts:
            self._part(part)
        paper.ln(3)
        paper.set_text_color(*QUIET)
        for line in page.origin:
            self._text(plain(line), 7.0)
        return bytes(paper.output())

    def _part(self, part: Part) -> None:
        section = part.section
        self._keep(SIDE + 40 if part.pictures else 40)
        self.paper.ln(3)
        self._heading(section.heading, 11.5)
        for text in section.paragraphs:
            self._text(text, SIZE)
        for table in section.grids:
            self._table(table)
        if part.pictures:
            self._pictures(part.pictures)
        self.paper.set_text_color(*QUIET)
        for note in section.notes:
            self._text((*plain("\N{BULLET} "), *note), SMALL)
        self.paper.set_text_color(0)

    def _keep(self, height: float) -> None:
        """Begins a new page where less than `height` is left of this one."""
        if self.paper.will_page_break(height):
            self.paper.add_page()

    def _heading(self, text: str, size: float) -> None:
        self.paper.set_font(FONT, "B", size)
        self.paper.multi_cell(0, size * 0.5, self._shown(text, "B"), new_x="LMARGIN", new_y="NEXT", align="L")
        self.paper.ln(1)

    def _block(self, texts: Sequence[str], color: tuple[int, int, int], heading: str = "") -> None:
        from fpdf.util import Padding

        self.paper.set_fill_color(*color)
        lines = [(heading, "B")] if heading else []
        for text, style in [*lines, *((text, "") for text in texts)]:
            self.paper.set_font(FONT, style, SIZE)
            shown = self._shown(text, style)
            self.paper.multi_cell(
                0, LINE, shown, fill=True, new_x="LMARGIN", new_y="NEXT", align="L", padding=Padding(0.6, 2, 0.6, 2)
            )

    def _text(self, text: Text, size: float) -> None:
        for span in text:
            family, style = (MONO, "") if span.style == "code" else (FONT, "B" if span.style == "strong" else "")
            self.paper.set_font(family, style, size - (0.5 if family == MONO else 0))
            self.paper.write(size * 0.48, self._shown(span.text, style, family))
        self.paper.ln(size * 0.48 + 0.7)

    def _table(self, table: Grid) -> None:
        from fpdf.fonts import FontFace

        self._keep(min((len(table.rows) + 3.5) * (LINE + 0.6), LONGEST))
        self.paper.ln(1)
        self.paper.set_text_color(*QUIET)
        self._text(table.caption, SMALL)
        self.paper.set_text_color(0)
        self.paper.set_font(FONT, "", SMALL)
        widths = _widths(self.paper, table)
        self.paper.set_draw_color(*RULE)
        self.paper.set_fill_color(255)
        with self.paper.table(
            width=sum(widths),
            col_widths=tuple(widths),
            align="L",
            text_align=("LEFT", *["RIGHT"] * (len(widths) - 1)),
            borders_layout="HORIZONTAL_LINES",
            line_height=LINE,
            headings_style=FontFace(emphasis="BOLD"),
            padding=(0.3, 1.0),
        ) as drawn:
            for cells in (table.columns, *table.rows):
                row = drawn.row()
                style = "B" if cells is table.columns else ""
                for cell in cells:
                    row.cell(self._shown(_said(cell), style))
        self.paper.ln(2)

    def _pictures(self, pictures: Sequence[Doubtful]) -> None:
        from fpdf.enums import WrapMode

        paper = self.paper
        for begin in range(0, len(pictures), COLUMNS):
            self._keep(SIDE + 22)
            top, lowest = paper.get_y() + 1, 0.0
            for column, one in enumerate(pictures[begin : begin + COLUMNS]):
                left = MARGIN + column * (SIDE + GAP)
                paper.image(thumbnail(one.image, PIXELS), left, top, SIDE, SIDE, alt_text=one.file)
                paper.set_xy(left, top + SIDE + 0.5)
                for style, text in (("B", one.file), ("", f"label: {one.given}"), ("", f"looks like: {one.suggested}")):
                    shown = self._shown(text, style)
                    paper.set_font(FONT, style, 6.5)
                    # A name that is a little too wide is set smaller, as a break would put its last letter alone.
                    fitting = 6.5 * (SIDE - 2.2) / max(paper.get_string_width(shown), 1.0)
                    paper.set_font_size(max(5.0, min(6.5, fitting)))
                    paper.multi_cell(
                        SIDE, 3, shown, align="L", wrapmode=WrapMode.CHAR, new_x="LEFT", new_y="NEXT", padding=0
                    )
                lowest = max(lowest, paper.get_y())
            paper.set_xy(MARGIN, lowest + 1)

    def _shown(self, text: str, style: str, family: str = FONT) -> str:
        """`text` in letters that the font has."""
        letters = self.letters[family, style]
        whole = unicodedata.normalize("NFC", visible(text))
        return "".join(letter if ord(letter) in letters else UNKNOWN for letter in whole)


def _fonts(paper: FPDF) -> dict[tuple[str, str], Any]:
    return {(family, style): paper.fonts[family + style] for family, style in FACES}


def _said(cell: Cell) -> str:
    return cell.text + cell.marks


def _widths(paper: FPDF, table: Grid) -> list[float]:
    """Of columns in mm: as wide as their texts, or less where they do not fit side by side."""
    room = paper.epw
    wanted = []
    for column in zip(table.columns, *table.rows, strict=True):
        head, *rest = (paper.get_string_width(_said(cell)) for cell in column)
        wanted.append(max([min(head * 1.12, 34.0), *rest, 10.0]) + 4)
    scale = min(1.0, room / sum(wanted))
    return [width * scale for width in wanted]
