"""`noisybench clinical`: what a clinic asks of predictions that runs have kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from benchmark.cli.options import UserPath, expand_grid, grid_options, names_grid, with_option
from benchmark.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.tables.clinical import Target


@click.command()
@grid_options
@with_option
@click.option("--at", metavar="RATE=VALUE", help="Operating point, chosen on the validation images: sensitivity=.95.")
@click.option(
    "--by",
    type=click.Choice(["labels", "true"]),
    default="labels",
    show_default=True,
    help="Of --at: validation labels as the run was given them, or the true ones where they are known.",
)
@click.option("--positive", multiple=True, metavar="CLASS", help="Of --at: only this class against all others.")
@click.option(
    "--cost",
    type=UserPath(exists=True, dir_okay=False),
    help="CSV file with the cost of errors: a row per true class, a column per decision, named by the classes.",
)
@click.option("--rule", type=click.Choice(["val_noisy", "last"]), default="val_noisy", show_default=True)
@click.option("--extra", help="Of this extra test set instead.")
@click.option("--format", "form", type=click.Choice(["md", "latex", "html"]), default="md", show_default=True)
def clinical(
    suite: str | None,
    others: tuple[Path, ...],
    at: str | None,
    by: Literal["labels", "true"],
    positive: tuple[str, ...],
    cost: Path | None,
    rule: str,
    extra: str | None,
    form: str,
    **options: Any,
) -> None:
    """Print sensitivity, specificity, PPV and NPV at an operating point, what to refer, and the cost of errors.

    For runs with kept predictions (`run --keep predictions`): those of a suite, or of --dataset, --backbone, --method
    and --noise as typed for `run`. Without these all such runs of the results folder are shown: tables for each data
    set, network and kind of noise, with a row for each method, mean over its seeds.

    Other metrics of a clinic stand in every record: `table --metric mcc`, auprc, brier, kappa (quadratic weights) and
    mae (ordinal classes).

    \b
    noisybench clinical --at sensitivity=.95 --positive melanoma
    noisybench clinical quick --cost costs.csv --rule last
    """
    from benchmark.cli.lookup import predictions_lookup, whole_records
    from benchmark.cli.results import build_tables
    from benchmark.report import FORMATS
    from benchmark.report.layouts.clinical import Asked, document
    from benchmark.store.store import Store
    from benchmark.tables.comparable import TableError

    if positive and at is None:
        raise UsageError("--positive names the class of an operating point; give one, such as --at sensitivity=.95")
    target = None if at is None else read_target(at)
    store = Store(options["results"])
    jobs = None
    if names_grid(suite, options):
        _, jobs = expand_grid(suite, options)
    try:
        (table,) = build_tables(store, jobs, rules=(rule,), suite=suite, others=others, extra_test=extra)
    except TableError as error:
        raise UsageError(f"{error}; predictions are kept by `noisybench run ... --keep predictions`") from error
    ids = {run for block in table.blocks for run in block.runs["id"].dropna()}
    ended = (record for record in whole_records(store, others, ids) if record["state"] == "ok")
    groups = {record["id"]: _groups(record, extra) for record in ended}
    asked = Asked(
        predictions=predictions_lookup(store, others),
        groups=groups.get,
        target=target,
        by=by,
        positive=positive,
        cost=None if cost is None else _costs(cost),
    )
    click.echo(FORMATS[form](document(table, asked)), nl=False)


def read_target(text: str) -> Target:
    """ "sensitivity=.95". Raises UsageError."""
    from benchmark.tables.clinical import Target

    rate, _, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if rate not in ("sensitivity", "specificity") or not 0 < number <= 1:
        raise UsageError(
            f"--at {text!r} is no operating point; expected sensitivity=VALUE or specificity=VALUE with a value above "
            "0 and at most 1, such as --at sensitivity=.95"
        )
    return Target("sensitivity" if rate == "sensitivity" else "specificity", number)


def _groups(record: Any, extra: str | None) -> NDArray[np.generic] | None:
    import numpy as np

    test = record["tests"]["test"] if extra is None else record["tests"]["extra"].get(extra) or {}
    return None if test.get("groups") is None else np.array(test["groups"])


def _costs(path: Path) -> Callable[[tuple[str, ...]], NDArray[np.float64]]:
    """The matrix of the file, in the order of the classes that it is asked for. Raises UsageError."""
    import pandas as pd

    from benchmark.datasets._sheets import read_sheet, text_of
    from benchmark.datasets.base import DataError

    try:
        sheet = read_sheet(path)
    except DataError as error:
        raise UsageError(f"no costs: {error}") from error
    for note in sheet.notes:
        click.echo(f"{path}: {note.partition('; encoding=')[0]}", err=True)
    names, *cells = zip(*([text_of(cell) or "" for cell in row] for row in sheet.rows), strict=True)
    costs = {column: map(_cost, texts) for column, texts in zip(sheet.columns[1:], cells, strict=True)}
    return partial(_ordered, path, pd.DataFrame(costs, index=list(names)))


def _cost(text: str) -> float:
    """The number that a spreadsheet program shows as `text`; nan where it is none, or "1,000", which may be two."""
    if re.fullmatch(r"-?[1-9]\d{0,2}(,\d{3})+", text):
        return float("nan")
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return float("nan")


def _ordered(path: Path, costs: Any, classes: tuple[str, ...]) -> NDArray[np.float64]:
    import numpy as np

    from benchmark.datasets.class_names import plain

    # By their names, in whatever case: a spreadsheet program and a Mac have spellings of their own.
    known = {plain(name): name for name in classes}
    if len(known) == len(classes):
        costs = costs.rename(index=lambda name: known.get(plain(name), name))
        costs = costs.rename(columns=lambda name: known.get(plain(name), name))
    expected = f"expected a row and a column for each of {', '.join(classes)}, in any order, with a number each"
    for names, axis in ((costs.index, "rows"), (costs.columns, "columns")):
        if sorted(names) != sorted(classes):
            found = ", ".join(map(str, names)) or "none"
            raise UsageError(f"{path} has the {axis} {found}; {expected}")
    matrix = costs.loc[list(classes), list(classes)].to_numpy(dtype=np.float64)
    if not np.isfinite(matrix).all():
        row, column = np.argwhere(~np.isfinite(matrix))[0]
        raise UsageError(f"{path} has no number for {classes[row]} taken for {classes[column]}; {expected}")
    return np.asarray(matrix, dtype=np.float64)
