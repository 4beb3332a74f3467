"""Tables as text. Rendering only; `benchmark.tables.comparison` computes what is shown."""

from benchmark.report.csv import render_csv
from benchmark.report.markdown import render_markdown

__all__ = ["render_csv", "render_markdown"]
