"""`noisybench diff`: which cells, ranks and versions differ between two publications."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark.cli.options import UserPath


@click.command()
@click.argument("a", type=UserPath())
@click.argument("b", type=UserPath())
@click.option("--rule", default="val_noisy", show_default=True, help="Reporting rule of the tables compared.")
@click.option("--metric", default="main", show_default=True, help="As of `noisybench table`.")
@click.option("--format", "form", type=click.Choice(["text", "csv"]), default="text", show_default=True)
def diff(a: Path, b: Path, rule: str, metric: str, form: str) -> int:
    """Say what differs between the results A and B: published folders, their names, or results folders.

    Versions of methods, noise, data and backbones; ranks, places and letters; cells. Exit code 1 where something does.
    """
    from benchmark.cli.doctor import tell_uncounted
    from benchmark.cli.results import missing_run, table_of
    from benchmark.report.publishing.difference import as_text, difference, in_common
    from benchmark.store import published
    from benchmark.tables import frame

    sides = []
    for place in (a, b):
        contents = published.read(place, (*frame.fields(rule), "provenance.backbone_digest"))
        tell_uncounted(place, contents)
        expected = list(map(missing_run, published.missing(place)))
        sides.append((contents.records, table_of(contents.records, expected, rule=rule, metric=metric)))
    rows = difference(sides[0], sides[1])
    if form == "csv":
        click.echo(rows.to_csv(index=False, lineterminator="\n"), nl=False)
        return 1 if len(rows) else 0
    if rows.empty:
        click.echo(f"{a} and {b} do not differ")
        return 0
    click.echo(as_text(rows), nl=False)
    if not in_common(*(table for _, table in sides)):
        click.echo("\nNo cell was compared: no data set, backbone, recipe and track is on both sides")
    return 1
