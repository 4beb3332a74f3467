"""Tables as text. Rendering only; `benchmark.tables.comparison` computes what is shown."""

from __future__ import annotations

from collections.abc import Callable

from benchmark.report.document import Document
from benchmark.report.html import render_html
from benchmark.report.latex import render_latex
from benchmark.report.markdown import render_markdown

FORMATS: dict[str, Callable[[Document], str]] = {
    "md": render_markdown,
    "latex": render_latex,
    "html": render_html,
}
"""Name on the command line -> what writes the `Document` of a layout."""
