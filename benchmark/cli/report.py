"""`noisybench report`: the page in which a grid can be read and explored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.cli.options import (
    UserPath,
    add_plugins,
    expand_grid,
    grid_options,
    names_grid,
    with_folder_options,
    with_option,
)

if TYPE_CHECKING:
    from benchmark.report.page.collect import Described
    from benchmark.report.page.thumbnails import Thumbnails
    from benchmark.store.content import Record
    from benchmark.tables.comparison import Table


@click.command()
@grid_options
@with_option
@click.option("--metric", default="main", show_default=True, help="As of `table`.")
@click.option(
    "--images",
    multiple=True,
    metavar="DATASET",
    help="Show thumbnails of this data set (npz:FILE, ...), which runs of the page were trained on; may be repeated.",
)
@click.option("--out", type=UserPath(file_okay=False), required=True, help="Folder for the page, OUT/index.html.")
def report(
    suite: str | None, others: tuple[Path, ...], metric: str, images: tuple[str, ...], out: Path, **options: Any
) -> None:
    """Write a page of SUITE, of the grid that the options describe, or of all records.

    One HTML file without outside requests: tables that need no JavaScript, and with it other reporting rules,
    filters, charts, and the runs behind every cell. It holds no image, unless --images asks for some.
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
        counts, names = Counts(), dict[str, str]()
        records = _named(counts.counted(whole_records(store, others, ids)), names)
        data = collect(table, records, described(table))
    sheets = [_thumbnails(name, names, options) for name in images]
    expected = {job.spec.id for job in jobs or ()}.union(*({run["id"] for run in published.missing(o)} for o in others))
    page = render_page(rates.document([table]), data, counts.doubts(len(expected - ids)), sheets).encode()
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / INDEX, page)
    click.echo(f"{out / INDEX}: {table.num_runs:,} runs, {len(page) / 1e6:.2f} MB")


def _named(records: Iterable[Record], names: dict[str, str]) -> Iterator[Record]:
    """The records; fills `names`: digest of a data set -> its name in tables."""
    for record in records:
        dataset = record["spec"]["dataset"]
        names[dataset["digest"]] = record["provenance"]["labels"].get("dataset", dataset["name"])
        yield record


def _thumbnails(text: str, names: Mapping[str, str], options: dict[str, Any]) -> Thumbnails:
    """Of the data set `text`. Raises UsageError where it is private, or none of those that the page is about."""
    from benchmark.cli.progress import fetch_progress
    from benchmark.datasets.cache import cached
    from benchmark.datasets.private import MARK, mark_of
    from benchmark.errors import UsageError
    from benchmark.grid.resolve import make_dataset
    from benchmark.report.page.thumbnails import thumbnails
    from benchmark.store.store import Store

    (ref,) = with_folder_options([text], options["group_by"], options["skip_corrupt"])
    dataset = make_dataset(ref, options["data_root"])[0]
    if (mark := mark_of(dataset)) is not None:
        raise UsageError(
            f"--images {text}: {mark} marks this data as private, and a page is made to be sent to others; leave "
            f"--images out, or remove {MARK} if the images may be shown"
        )
    if dataset.digest() not in names:
        raise UsageError(
            f"--images {text}: no run of this page was trained on this data; expected the data of "
            f"{', '.join(sorted(set(names.values()))) or 'its runs'}, unchanged"
        )
    with fetch_progress() as progress:
        loaded = cached(dataset, Store(options["results"]).cache("data"), progress=progress)
    return thumbnails(names[dataset.digest()], loaded.test.images, loaded.test.labels, loaded.classes)


def described(table: Table, own_plugins: bool = False) -> Mapping[str, Described]:
    """Cards of the methods that are installed here; `own_plugins`: of those of the project alone."""
    from benchmark.cli.card import facts
    from benchmark.errors import UsageError
    from benchmark.registry import METHODS
    from benchmark.report.page.collect import Described

    known = {}
    outside = _from_outside(table) if own_plugins else set()
    for plugin in sorted({plugin for block in table.blocks for plugin in block.methods["plugin"]}):
        try:
            if own_plugins and (plugin in outside or METHODS.find(plugin).external):
                continue
            entry = METHODS.load(plugin)
        except UsageError:
            continue  # a method of somebody else's, whose card is not here
        card = entry.card
        text = {"about": _about(entry), **facts(card), **({"BibTeX": card.bibtex} if card.bibtex else {})}
        known[plugin] = Described(text, card.plain_phases)
    return known


def _from_outside(table: Table) -> set[str]:
    """Methods of which the table has runs that were made with a plugin from outside the project."""
    import orjson

    keys = {key for block in table.blocks for key in block.runs["spec_key"].unique()}
    methods = [orjson.loads(key)["method"] for key in keys]
    return {method["name"] for method in methods if method.get("source")}


def _about(method: type) -> str:
    import inspect

    return inspect.getdoc(method) or ""
