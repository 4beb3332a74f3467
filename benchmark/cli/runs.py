"""`noisybench runs`: lists runs with their ids, cells, states and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from benchmark.cli.selection import select, selection_options

if TYPE_CHECKING:
    import pandas as pd


@click.command()
@selection_options
@click.option("--format", "form", type=click.Choice(["text", "csv"]), default="text", show_default=True)
def runs(suite: str | None, ids: tuple[str, ...], states: tuple[str, ...], form: str, **options: Any) -> None:
    """List all runs, those of SUITE (the missing ones too), or those that the options or the beginnings of IDS name.

    \b
    noisybench runs quick
    noisybench runs --method gce --state failed
    noisybench runs --format csv > runs.csv      (a row per run: seeds, options, all metrics by rule, seconds)
    """
    from benchmark.store.store import Store

    rows = select(Store(options["results"]), suite, ids, states, options).rows
    if form == "csv":
        click.echo(rows.to_csv(index=False, lineterminator="\n"), nl=False)
    else:
        for line in lines(rows):
            click.echo(line)


def lines(rows: pd.DataFrame) -> list[str]:
    """A heading, and a line per run: id, state, cell, seeds, and the main metric by two rules, or the reason."""
    seeds = [name for name in rows if name.startswith("seed.")]
    told = []
    for run in rows.to_dict("records"):
        parts = (run["dataset"], run["backbone"], run["method"], run["noise"])
        cell = "/".join(map(str, parts)) + ("" if run["track"] == "blind" else f"/{run['track']}")
        values = [run[name] for name in seeds]
        equal = len(set(values)) == 1
        seed = str(values[0]) if equal else ",".join(str(value) for value in values)
        told.append((run["id"], run["state"], cell, seed, _figures(run)))
    table = [("id", "state", "cell", "seed", "figures"), *told]
    widths = [max(len(row[column]) for row in table) for column in range(4)]
    return ["  ".join([*(f"{row[i]:{widths[i]}}" for i in range(4)), row[4]]).rstrip() for row in table]


def _figures(run: dict[str, Any]) -> str:
    if run["state"] != "ok":
        return " ".join(str(run["reason"]).split())[:100]
    metric = run["main_metric"]
    figures = {rule: run.get(f"{rule}.{metric}") for rule in ("val_noisy", "last")}
    shown = " ".join(f"{rule}={value:.3f}" for rule, value in figures.items() if value == value and value is not None)
    return f"{metric}: {shown}".replace("=0.", "=.") + f"  {run['total_seconds']:.0f}s"
