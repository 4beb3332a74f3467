r"""Documents as LaTeX: a fragment for `\input`, with booktabs; a comment at its head says what it needs.

Names become ASCII, Latin letters with accents and a few signs. Any other character is written as its number, because
pdflatex stops at letters that its fonts lack; XeLaTeX and LuaLaTeX can be told to print it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from benchmark.escapes import visible
from benchmark.report.document import Cell, Document, Grid, Section, Span, Text, plain

PREAMBLE = r"""\usepackage{booktabs}
\usepackage{graphicx}"""
"""What a document that inputs the fragment needs."""

_HEAD = rf"""Made by `noisybench table --format latex`. In the preamble of the document that inputs it:
{PREAMBLE}
Tables that are wider than a line are made smaller. A character that pdflatex has no letter for is written as its
number; with XeLaTeX or LuaLaTeX and a font that has it, print it by
\renewcommand{{\noisybenchchar}}[1]{{\symbol{{"#1}}}}"""

_MACROS = r"""\providecommand{\noisybenchchar}[1]{\texttt{[U+#1]}}
\ifdefined\noisybenchbox\else\newsavebox{\noisybenchbox}\fi
\providecommand{\noisybenchfit}{%
  \ifdim\ht\noisybenchbox>.8\textheight\resizebox{!}{.8\textheight}{\usebox{\noisybenchbox}}%
  \else\ifdim\wd\noisybenchbox>\linewidth\resizebox{\linewidth}{!}{\usebox{\noisybenchbox}}%
  \else\usebox{\noisybenchbox}\fi\fi}
\providecommand{\noisybenchnotes}{\small\setlength{\itemsep}{0pt}\setlength{\parskip}{0pt}\raggedright}"""

_WRITTEN = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\texttt{\char34}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "-": r"{-}",  # two hyphens would become a dash
    "±": r"$\pm$",
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
    "\u00d7": r"$\times$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "\u2212": r"$-$",
    "\u2013": r"\textendash{}",
    "τ": r"$\tau$",
    "κ": r"$\kappa$",
}
_AS_IT_IS = re.compile(
    r"[A-Za-z0-9 .,;:!?()\[\]+=*/@\u00c0-\u00cf\u00d1-\u00d6\u00d8-\u00dd\u00df-\u00ef\u00f1-\u00f6\u00f8-\u00fd\u00ff]"
)
"""ASCII that LaTeX reads as text, and the letters of Latin-1 without eth and thorn, which its fonts lack."""


def render_latex(document: Document) -> str:
    head = "\n".join(f"% {line}" for line in _HEAD.splitlines())
    parts = [head, _MACROS, rf"\subsection*{{{_escaped(document.title)}}}", *map(_paragraph, document.paragraphs)]
    for section in document.sections:
        parts += _section(section)
    origin = "\n\n".join(_paragraph(plain(line)) for line in document.origin)
    return "\n\n".join([*parts, f"{{\\small\n{origin}}}"]) + "\n"


def _section(section: Section) -> Iterator[str]:
    yield rf"\subsubsection*{{{_escaped(section.heading)}}}"
    yield from map(_paragraph, section.paragraphs)
    legend = " ".join(f"{_rendered(text)}." for text in section.legend)
    emphasized = [grid for grid in section.grids if any(cell.emphasis for row in grid.rows for cell in row)]
    for grid in section.grids:
        yield _grid(grid, legend if grid in emphasized else "")
    notes = section.notes if emphasized else (*section.notes, *section.legend)
    if notes:
        # An empty group first: a note that begins with a bracket would be read as an option of \item.
        items = "\n".join(rf"\item{{}} {_rendered(note)}" for note in notes)
        yield f"\\begin{{itemize}}\\noisybenchnotes\n{items}\n\\end{{itemize}}"


def _grid(grid: Grid, legend: str) -> str:
    columns = "l" * len(grid.columns)
    lines = [" & ".join(map(_cell, row)) + r" \\" for row in (grid.columns, *grid.rows)]
    return "\n".join(
        [
            r"\begin{table}[htbp]",
            r"\centering",
            rf"\caption[]{{{_rendered(grid.caption)}. {legend}}}\smallskip",
            rf"\begin{{lrbox}}{{\noisybenchbox}}\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            lines[0],
            r"\midrule",
            *lines[1:],
            r"\bottomrule",
            r"\end{tabular}\end{lrbox}\noisybenchfit",
            r"\end{table}",
        ]
    )


def _cell(cell: Cell) -> str:
    """In braces: a cell that begins with a bracket would be read as an option of the line break before it."""
    text = _escaped(cell.text)
    if re.match(r"-[.\d]", cell.text):
        text = "$-$" + _escaped(cell.text[1:])
    command = {None: "", "best": r"\textbf", "second": r"\underline"}[cell.emphasis]
    return f"{command}{{{text}}}{_escaped(cell.marks)}"


def _paragraph(text: Text) -> str:
    return f"{{\\raggedright\\noindent {_rendered(text)}\\par}}"


def _rendered(text: Text) -> str:
    return "".join(map(_span, text))


def _span(span: Span) -> str:
    command = {"plain": "", "strong": r"\textbf", "code": r"\texttt"}[span.style]
    return f"{command}{{{_escaped(span.text)}}}" if command else _escaped(span.text)


def _escaped(text: str) -> str:
    return "".join(map(_character, visible(text)))


def _character(character: str) -> str:
    if _AS_IT_IS.fullmatch(character):
        return character
    return _WRITTEN.get(character) or rf"\noisybenchchar{{{ord(character):04X}}}"
