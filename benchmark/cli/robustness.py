"""`noisybench robustness`: what methods lose on corrupted copies of the test set, by severity and corruption."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from benchmark.cli.options import expand_grid, grid_options, names_grid, with_option


@click.command()
@grid_options
@with_option
@click.option("--rule", type=click.Choice(["val_noisy", "last"]), default="val_noisy", show_default=True)
@click.option("--metric", default="main", show_default=True, help="As of `table`: balanced_accuracy, auroc, ece, ...")
@click.option("--extra", metavar="NAME", help="Of several sets of corrupted copies, this one.")
@click.option("--format", "form", type=click.Choice(["md", "csv", "latex", "html"]), default="md", show_default=True)
def robustness(
    suite: str | None,
    others: tuple[Path, ...],
    rule: str,
    metric: str,
    extra: str | None,
    form: str,
    **options: Any,
) -> None:
    """Print a metric by severity of corruption, the drop from the test set, and the metric by corruption.

    For runs with `run --extra-test corrupted`, or official files (`--extra-test medmnistc:FOLDER`). Every table can
    show one column of it: `table --extra corrupted-5`, `--extra corrupted.pixelate`.

    \b
    noisybench robustness
    noisybench robustness --metric balanced_accuracy --rule last --format csv > robustness.csv
    """
    from benchmark.cli.results import gathered, tables_of
    from benchmark.report import FORMATS
    from benchmark.report.csv import render_csv
    from benchmark.report.layouts.robustness import document
    from benchmark.store.store import Store
    from benchmark.tables.corrupted import one
    from benchmark.tables.robustness import Scored, chosen, copies

    jobs = None
    if names_grid(suite, options):
        _, jobs = expand_grid(suite, options)
    records, expected = gathered(Store(options["results"]), jobs, others, (rule,))
    name = chosen(records, extra)
    records, expected = ([run for run in runs if name in _extra_tests(run)] for runs in (records, expected))
    severities, kinds = copies(records, name)
    wanted = [None, *(one(name, severity=severity) for severity in severities), one(name)]
    wanted += [one(name, kind=kind) for kind in kinds]
    tables = [
        tables_of(records, expected, rules=(rule,), metrics=(metric,), suite=suite, extra_test=test)[0]
        for test in wanted
    ]
    by_severity = dict(zip(severities, tables[1:], strict=False))
    by_kind = dict(zip(kinds, tables[len(severities) + 2 :], strict=True))
    scored = Scored(tables[0], tables[len(severities) + 1], by_severity, by_kind)
    click.echo(render_csv(scored.tables) if form == "csv" else FORMATS[form](document(scored)), nl=False)


def _extra_tests(run: Any) -> Any:
    return run["spec"]["dataset"].get("extra_tests") or {}
