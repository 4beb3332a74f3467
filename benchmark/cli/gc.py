"""`noisybench gc`: removes what a results folder does not need any more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from benchmark.cli.options import Amount, expand_grid, grid_options, place_options

if TYPE_CHECKING:
    from benchmark.store.disposable import Disposable
    from benchmark.store.store import Store

MOST_LINES = 20


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be removed, and how much it would free.")
@click.option("--trash", type=Amount(0), metavar="DAYS", help="Also what `rm` moved away so long ago.")
@click.option("--quarantine", type=Amount(0), metavar="DAYS", help="Also broken files of so long ago.")
@click.option(
    "--keep-data-of",
    "suites",
    multiple=True,
    metavar="SUITE",
    help="Also decoded data and features that no run of these suites reads; may be repeated.",
)
@place_options
def gc(dry_run: bool, trash: float | None, quarantine: float | None, suites: tuple[str, ...], **options: Any) -> int:
    """Remove checkpoints and logs of finished runs, and what killed processes left.

    Records, kept files, failures and their logs stay, as does whatever a run at work may need. What is removed is made
    again where it is needed, but for logs, trash and quarantine.

    \b
    noisybench gc --dry-run
    noisybench gc --trash 30 --quarantine 30
    noisybench gc --keep-data-of pathmnist --keep-data-of my-grid.toml
    """
    from benchmark.errors import UsageError
    from benchmark.store import atomic, disposable
    from benchmark.store.store import Store

    store = Store(options["results"])
    if not store.folder.is_dir():
        raise UsageError(f"there is no folder {store.folder}; expected a results folder, such as --results results")
    found = list(_found(store, trash, quarantine, suites, options))
    kinds = dict.fromkeys(one.why for one in found)
    freed, stayed = 0, 0
    for why in kinds:
        of_kind = [one for one in found if one.why == why]
        size = sum(one.size for one in of_kind)
        click.echo(f"{why}: {len(of_kind)}, {_bytes(size)}")
        for one in of_kind[:MOST_LINES] if dry_run else ():
            click.echo(f"  {one.path}  {_bytes(one.size)}")
        if dry_run and len(of_kind) > MOST_LINES:
            click.echo(f"  ... and {len(of_kind) - MOST_LINES} more")
    for one in () if dry_run else found:
        if disposable.still_disposable(store, one):
            atomic.remove(one.path)
        gone = not one.path.exists()
        freed += one.size * gone
        stayed += not gone
    total = sum(one.size for one in found)
    if dry_run:
        click.echo(f"{_bytes(total)} would be freed" if found else "there is nothing to remove")
        return 0
    click.echo(f"{_bytes(freed)} freed" if found else "there was nothing to remove")
    if stayed:
        click.echo(f"{stayed} could not be removed, or are in use again: see their permissions, then repeat", err=True)
    return 1 if stayed else 0


def _found(
    store: Store, trash: float | None, quarantine: float | None, suites: tuple[str, ...], options: dict[str, Any]
) -> Iterator[Disposable]:
    from benchmark.store import disposable
    from benchmark.store.removal import TRASH
    from benchmark.store.store import QUARANTINE

    yield from disposable.of_killed(store)
    yield from disposable.of_finished(store)
    if store.files("work/tasks/[!.]*"):
        from benchmark.runs.executors import tasks

        yield from disposable.of_tasks(tasks.done(store))
    for name, days in ((TRASH, trash), (QUARANTINE, quarantine)):
        if days is not None:
            yield from disposable.old(store, name, days)
    if suites:
        if running := disposable.at_work(store):
            click.echo(f"{len(running)} runs are at work: data and features stay, as they may read them", err=True)
        else:
            yield from disposable.of_other_data(store, _data_of(suites, options))


def _data_of(suites: tuple[str, ...], options: dict[str, Any]) -> set[str]:
    """The names of the data that runs of these suites read."""
    from benchmark.datasets.cache import identity
    from benchmark.runs.assemble import corrupted_of, source_of, sources_of

    defaults = grid_options(click.Command("grid")).make_context("grid", []).params  # type: ignore[attr-defined]
    used: set[str] = set()
    for suite in suites:
        _, jobs = expand_grid(suite, {**defaults, **options})
        kinds = {(id(job.spec.dataset), id(job.spec.noise)): job for job in jobs}
        for job in kinds.values():
            used.update(identity(source.dataset, source.digest) for source in sources_of(job))
            if corrupted_of(job):  # made of the images as they are before the data set changes them
                source = source_of(job)
                used.add(identity(source.dataset.raw(), source.digest))
    return used


def _bytes(count: int) -> str:
    """ "512 B", "3.4 MB"."""
    units = ["B", "kB", "MB", "GB", "TB"]
    size = float(count)
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.0f} {units[0]}" if units[0] == "B" else f"{size:.1f} {units[0]}"
