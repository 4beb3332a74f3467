"""`noisybench publish`: a folder with the records of a suite, their tables, and what others need to check them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.cli.options import UserPath, grid_options, names_grid

if TYPE_CHECKING:
    from benchmark.report.publishing.publication import Makers, Publication
    from benchmark.store.content import Record
    from benchmark.store.published import Missing
    from benchmark.store.segments import Original
    from benchmark.tables.comparison import Table


@click.command()
@grid_options
@click.option("--out", type=UserPath(file_okay=False), required=True, help="The folder to write, such as results/mine.")
@click.option("--figures/--no-figures", default=True, show_default=True, help="With figures, which need matplotlib.")
@click.option("--page/--no-page", default=True, show_default=True, help="With the page of `noisybench report`.")
@click.option("--allow-holes", is_flag=True, help="Though runs failed, diverged or were never carried out.")
@click.option("--allow-mixed", is_flag=True, help="Though runs are of several versions, commits or protocols.")
@click.option("--allow-dirty", is_flag=True, help="Though the checkout had changes that were not committed.")
@click.option(
    "--allow-plugins",
    is_flag=True,
    help="Though plugins from outside the project were used, whose cards are then not printed.",
)
def publish(suite: str | None, out: Path, **options: Any) -> None:
    """Write the records of SUITE, with tables, figures, page, environment and checksums, to a folder for others.

    The options of the grid are those that `noisybench run` was called with, with or without SUITE; the folder's
    suite.toml describes the same grid. What was allowed is printed in the folder's README and on its page. Without
    SUITE and options of a grid, --results names a published folder, which is made anew from its records.

    \b
    noisybench publish digits --results results --out results/published/digits
    noisybench publish --results results/published/digits --out results/published/digits
    """
    from benchmark.report.publishing import content, folder, views

    described = names_grid(suite, options)
    publication = _of_grid(suite, options) if described else _published(options["results"], options)
    refuse(publication, options)
    files = content.files(publication)
    folder.write(out, files)
    size = sum(map(len, files.values()))
    click.echo(f"published: {out}, {len(publication.records)} runs, {len(files)} files, {size / 2**20:.1f} MiB")
    for kind in views.FIGURES if options["figures"] else ():
        if views.name_of(kind) not in files:
            click.echo(f"no figure {kind}: `noisybench plot {kind} --with {out} --out {kind}.svg` says why")
    for doubt in publication.doubts:
        click.echo(f"allowed ({doubt.option}): {doubt.sentence}")
    click.echo(f"next: `noisybench verify {out}`, then commit the folder")


def makers() -> Makers:
    """How the tables of a publication are made, and its methods described."""
    from functools import partial

    from benchmark.cli.report import described
    from benchmark.report.publishing.publication import Makers

    # The folder does not hold the source of plugins from outside: who verifies it has their cards as little as it has.
    return Makers(make_table, partial(described, own_plugins=True))


def make_table(records: Sequence[Record], missing: Sequence[Missing], rule: str) -> Table:
    """The table of a publication."""
    from benchmark.cli.results import missing_run, table_of

    return table_of(records, list(map(missing_run, missing)), rule=rule, own_plugins=True)


def refuse(publication: Publication, options: dict[str, Any]) -> None:
    """Raises UsageError where something would have to be allowed, NoisybenchError where a record is no record."""
    from benchmark.errors import NoisybenchError, UsageError
    from benchmark.report.publishing import verification

    found = [d for d in publication.doubts if not options[d.option.removeprefix("--").replace("-", "_")]]
    if found:
        said = "\n".join(f"  {doubt.sentence}; mend that, or allow it with {doubt.option}" for doubt in found)
        raise UsageError(f"not published:\n{said}")
    faults = list(verification.faults(publication.originals, publication.missing))
    if faults:
        more = f" ({len(faults)} faults in all)" if len(faults) > 1 else ""
        raise NoisybenchError(
            f"not published: {faults[0]}{more}; expected records as noisybench writes them: `noisybench rm ID` moves "
            "them away, and `noisybench run` makes them again"
        )


def _of_grid(suite: str | None, options: dict[str, Any]) -> Publication:
    """The runs of the grid, and the trials of its search, as far as there are records. Raises UsageError."""
    from benchmark.cli.options import expand_grid, expand_trials, suite_file
    from benchmark.errors import UsageError
    from benchmark.report.publishing.publication import Publication
    from benchmark.store import published

    jobs = {job.spec.id: job for job in expand_trials(suite, options)}
    jobs |= {job.spec.id: job for job in expand_grid(suite, options)[1]}
    originals = list(published.originals(options["results"], jobs.keys()))
    if not originals:
        raise UsageError(
            f"{options['results']} holds no run of {suite or 'this grid'}; expected the results folder and the options "
            f"that `noisybench run{f' {suite}' if suite else ''}` was called with (--results DIR)"
        )
    known = {run_id for run_id, _ in originals}
    missing: list[Missing] = [
        {"id": run_id, "spec": job.spec.model_dump(mode="json"), "labels": {"dataset": job.labels["dataset"]}}
        for run_id, job in jobs.items()
        if run_id not in known
    ]
    content = suite_file(suite, options)
    return Publication.of(list(map(_without_traces, originals)), missing, content, makers(), **_views(options))


def _views(options: dict[str, Any]) -> dict[str, bool]:
    return {"figures": options["figures"], "page": options["page"]}


def _published(folder: Path, options: dict[str, Any]) -> Publication:
    """What a published folder holds. Raises UsageError where `folder` is none."""
    from benchmark.errors import UsageError
    from benchmark.report.publishing.content import SUITE
    from benchmark.report.publishing.publication import Publication
    from benchmark.store import published

    path = published.located(folder)
    if published.file_of(path) is None or not (path / SUITE).is_file():
        raise UsageError(
            f"{folder} is not a published folder with {SUITE}; name the suite: `noisybench publish SUITE --out DIR`"
        )
    originals, missing = list(published.originals(path)), published.missing(path)
    return Publication.of(originals, missing, (path / SUITE).read_bytes(), makers(), **_views(options))


def _without_traces(original: Original) -> Original:
    """A failed run's record without message, traceback and log, which may hold paths of this machine."""
    from benchmark.store import record_file

    run_id, content = original
    record = record_file.decode(content, f"the record of {run_id}")
    if record["state"] != "failed":
        return original
    error = record["error"] | {"message": "", "traceback": "", "log": ""}
    return run_id, record_file.encode({**record, "error": error})
