"""Tables as the default layout writes them."""

from __future__ import annotations

from benchmark.report import csv, markdown
from benchmark.report.layouts import rates
from benchmark.tables.comparison import Table


def render_markdown(table: Table) -> str:
    return markdown.render_markdown(rates.document([table]))


def render_csv(table: Table) -> str:
    return csv.render_csv([table])
