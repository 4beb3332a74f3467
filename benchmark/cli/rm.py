"""`noisybench rm`: moves runs out of a results folder."""

from __future__ import annotations

import sys
from typing import Any

import click

from benchmark.cli.selection import select, selection_options


@click.command()
@selection_options
@click.option("--dry-run", is_flag=True, help="Only print what would be removed.")
@click.option("--yes", is_flag=True, help="Do not ask; without a terminal nothing is asked.")
def rm(
    suite: str | None, ids: tuple[str, ...], states: tuple[str, ...], dry_run: bool, yes: bool, **options: Any
) -> None:
    """Remove the runs of SUITE, or those that the options or the beginnings of IDS name, compacted ones too.

    Records, failures, kept files, checkpoints and logs are moved to a dated folder in RESULTS/trash; caches stay.
    All that is given must agree: `rm quick --method gce --state failed`.

    \b
    noisybench rm 3f2a 9b1c
    noisybench rm --method mine
    noisybench rm my-grid.toml --state diverged --dry-run
    """
    from benchmark.cli.runs import lines
    from benchmark.errors import UsageError
    from benchmark.store.removal import remove
    from benchmark.store.store import Store

    axes = ("datasets", "backbones", "methods", "noise", "tracks")
    if suite is None and not ids and not states and not any(options[name] for name in axes):
        raise UsageError("nothing was named; expected a suite, ids, --method, --state or another option: see --help")
    store = Store(options["results"])
    rows = select(store, suite, ids, states, options).rows
    rows = rows[rows["state"] != "missing"]
    if rows.empty:
        raise UsageError(f"no run of this grid is in {store.folder}; nothing was removed")
    for line in lines(rows):
        click.echo(line)
    if dry_run:
        click.echo(f"{len(rows)} runs would be moved to {store.folder / 'trash'}")
        return
    if not yes and sys.stdin.isatty():
        click.confirm(f"move {len(rows)} runs to {store.folder / 'trash'}?", abort=True, err=True)
    removal = remove(store, set(rows["id"]))
    compacted = f", {removal.compacted} of them records out of segments" if removal.compacted else ""
    files = len(removal.files) + removal.compacted
    click.echo(
        f"{len(rows)} runs moved to {removal.folder} ({files} files{compacted}); "
        f"`cp -r {removal.folder}/. {store.folder}` takes them back"
    )
