"""Tables as text. Rendering only: what is shown was decided in `benchmark.tables.comparison`."""

from benchmark.report.csv import render_csv
from benchmark.report.markdown import render_markdown

__all__ = ["render_csv", "render_markdown"]
