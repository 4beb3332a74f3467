"""`noisybench report`: the page in which a grid can be read and explored."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.cli.options import (
    UserPath,
    add_plugins,
    expand_grid,
    grid_options,
    names_grid,
    with_option,
)

if TYPE_CHECKING:
    from benchmark.report.page.collect import Described
    from benchmark.tables.comparison import Table


@click.command()
@grid_options
@with_option
@click.option("--metric", default="main", show_default=True, help="As of `table`.")
@click.option("--out", type=UserPath(file_okay=False), required=True, help="Folder for the page, OUT/index.html.")
def report(suite: str | None, others: tuple[Path, ...], metric: str, out: Path, **options: Any) -> None:
    """Write a page of SUITE, of the grid that the options describe, or of all records.

    One HTML file without outside requests: tables that need no JavaScript, and with it other reporting rules,
    filters, charts, and the runs behind every cell.
    """
    from benchmark.cli.lookup import whole_records
    from benchmark.cli.results import build_tables
    from benchmark.report.layouts import rates
    from benchmark.report.page.collect import collect
    from benchmark.report.page.shell import INDEX, render_page
    from benchmark.report.publishing.doubts import Counts
    from benchmark.store import published
    from benchmark.store.atomic import write_atomically
    from benchmark.store.content import collector_paused
    from benchmark.store.store import Store

    store = Store(options["results"])
    jobs = None
    if names_grid(suite, options):
        _, jobs = expand_grid(suite, options)
    else:
        add_plugins(options["plugins"])
    with collector_paused():
        (table,) = build_tables(store, jobs, rules=("val_noisy",), metrics=(metric,), suite=suite, others=others)
        ids = {run_id for block in table.blocks for run_id in block.runs["id"].dropna()}
        counts = Counts()
        data = collect(table, counts.counted(whole_records(store, others, ids)), described(table))
    expected = {job.spec.id for job in jobs or ()}.union(*({run["id"] for run in published.missing(o)} for o in others))
    page = render_page(rates.document([table]), data, counts.doubts(len(expected - ids))).encode()
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / INDEX, page)
    click.echo(f"{out / INDEX}: {table.num_runs:,} runs, {len(page) / 1e6:.2f} MB")


def described(table: Table) -> Mapping[str, Described]:
    """Cards of the methods that are installed here."""
    from benchmark.cli.card import facts
    from benchmark.errors import UsageError
    from benchmark.registry import METHODS
    from benchmark.report.page.collect import Described

    known = {}
    for plugin in sorted({plugin for block in table.blocks for plugin in block.methods["plugin"]}):
        try:
            entry = METHODS.load(plugin)
        except UsageError:
            continue  # a method of somebody else's, whose card is not here
        card = entry.card
        text = {"about": _about(entry), **facts(card), **({"BibTeX": card.bibtex} if card.bibtex else {})}
        known[plugin] = Described(text, card.plain_phases)
    return known


def _about(method: type) -> str:
    import inspect

    return inspect.getdoc(method) or ""
