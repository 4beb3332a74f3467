"""`noisybench plot`: figures of the records that `noisybench table` prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from benchmark.cli.lookup import whole_records
from benchmark.cli.options import UserPath, expand_grid, grid_options, names_grid, with_option
from benchmark.cli.results import build_tables
from benchmark.report.figures.kinds import KINDS, SUFFIXES


class OneOfEach(click.Command):
    """A command that refuses an option that is given twice where one counts: click would take the last silently."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        _, _, given = self.make_parser(ctx).parse_args(list(args))
        for option in given:
            single = isinstance(option, click.Option) and not (option.multiple or option.is_flag or option.count)
            if single and given.count(option) > 1:
                raise click.UsageError(
                    f"{option.opts[0]} was given {given.count(option)} times, and a figure is of one; "
                    "draw a figure for each",
                    ctx,
                )
        return super().parse_args(ctx, args)


@click.command(cls=OneOfEach)
@click.argument("kind", type=click.Choice(list(KINDS)), metavar="KIND")
@grid_options
@click.option("--out", type=UserPath(dir_okay=False), required=True, help="File to write: .png, .svg or .pdf.")
@click.option(
    "--only",
    "names",
    multiple=True,
    metavar="NAME",
    help="Draw only this data set, backbone, track, method or noise, named as in the table; may be repeated.",
)
@click.option("--rule", default="val_noisy", show_default=True, help="Which epoch, as for `table`.")
@click.option("--metric", default="main", show_default=True, help="Which score, as for `table`.")
@with_option
@click.option("--extra", help="Score on this extra test set instead.")
@click.option(
    "--timing", is_flag=True, help="cost: measured instead of declared cost, which differs between equal runs."
)
def plot(
    kind: str,
    suite: str | None,
    out: Path,
    names: tuple[str, ...],
    rule: str,
    metric: str,
    others: tuple[Path, ...],
    extra: str | None,
    timing: bool,
    **options: Any,
) -> None:
    """Draw a figure of SUITE, of the grid that the options describe, or of all records.

    \b
    noisybench plot rate quick --out rate.png            the metric against the noise rate
    noisybench plot heatmap --with digits --out all.svg  methods by noise
    noisybench plot curves quick --only ce --only gce --out curves.pdf

    KIND: rate and heatmap (scores); ranks (intervals of places); matrix (every pair of methods); cost; curves and
    memorization (by epoch); confusion, reliability and transition (predictions, and estimates of T).
    """
    from benchmark.errors import UsageError
    from benchmark.escapes import visible
    from benchmark.report.figures import kinds
    from benchmark.store.content import collector_paused
    from benchmark.store.store import Store

    _check_out(out)
    kinds.check_package()
    if timing and kind != "cost":
        raise UsageError(f"--timing belongs to `noisybench plot cost`; leave it out for {kind}")
    store = Store(options["results"])
    jobs = None
    if names_grid(suite, options, ", or choose what is drawn of all records with --only NAME"):
        _, jobs = expand_grid(suite, options)
    with collector_paused():
        (table,) = build_tables(
            store, jobs, suite=suite, others=others, rules=(rule,), metrics=(metric,), extra_test=extra, timing=timing
        )
    from benchmark.report.figures.captions import Material
    from benchmark.store.atomic import write_atomically

    content, notes = kinds.draw(
        kind, Material(table, names, lambda ids: whole_records(store, others, ids)), out.suffix.lower()
    )
    write_atomically(out, content)
    for note in notes:
        click.echo(visible(note), err=True)
    click.echo(f"{out}")


def _check_out(out: Path) -> None:
    from benchmark.errors import UsageError

    if out.suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"--out {out}: expected a file name that ends with {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        )
    if not out.absolute().parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder {out.parent}; type `mkdir -p {out.parent}`, or name another")
