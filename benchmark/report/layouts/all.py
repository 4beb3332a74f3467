"""All layouts of tables: what stands in the rows and columns of a page.

A layout is a function of the tables of the same records, one for each rule and metric that was asked for, to a
`Document`; its docstring says in the first line what it shows. To add one, write a module with such a function and name
it in `LAYOUTS`: every format and the command line then know it. `cells` and `pages` hold what layouts share. A layout
that has nothing to show raises TableError with what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmark.report.document import Document
from benchmark.report.layouts import across, cost, leaderboard, matrix, papers, rates, tuned
from benchmark.tables.comparison import Table

Layout = Callable[[Sequence[Table]], Document]

LAYOUTS: dict[str, Layout] = {
    "rates": rates.document,
    "backbones": across.backbones,
    "recipes": across.recipes,
    "cost": cost.document,
    "tuned": tuned.document,
    "papers": papers.document,
    "leaderboard": leaderboard.document,
    "matrix": matrix.document,
}
"""Name on the command line -> layout."""
