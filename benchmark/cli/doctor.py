"""`noisybench doctor`: whether a results folder is sound; what is broken is moved aside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.cli.options import results_option

if TYPE_CHECKING:
    from benchmark.store.store import Contents, Store


@click.command()
@results_option
@click.option("--dry-run", is_flag=True, help="Only say what is wrong: move and remove nothing.")
def doctor(results: Path, dry_run: bool) -> int:
    """Read every record, failure and segment, and move what is broken to RESULTS/quarantine.

    `noisybench run` makes the runs of broken records again. Locks and temporary files of processes that were killed
    are removed. Exit code 1 where something was broken or could not be read.
    """
    from benchmark.errors import UsageError
    from benchmark.store import health
    from benchmark.store.atomic import remove
    from benchmark.store.store import Store

    if not results.is_dir():
        raise UsageError(f"there is no folder {results}; expected a results folder, such as --results results")
    store = Store(results)
    found = health.examine(store)
    click.echo(f"sound: {found.records} records, {found.failures} failures, {found.segments} segments")
    for path in found.copies:
        click.echo(f"copy: {path} is a second record of its run, which counts once; delete the one you do not want")
    for path, reason in found.broken:
        target = None if dry_run else store.quarantine(path)
        click.echo(f"broken: {path} ({reason})" + (f"; moved to {target}" if target else ""))
    for message in found.unreadable:
        click.echo(f"not read: {message}")
    for path in found.abandoned:
        if not dry_run:
            remove(path)
        click.echo(f"{'left over' if dry_run or path.exists() else 'removed'}: {path}, of a process that was killed")
    return 1 if found.broken or found.unreadable else 0


def tell_uncounted(store: Store, contents: Contents) -> None:
    """Says on stderr which files of a folder do not count, and what to do about it."""
    for path, reason in contents.broken:
        click.echo(
            f"not counted: {path} ({reason}); `noisybench doctor --results {store.folder}` moves it aside", err=True
        )
    for path in contents.copies:
        click.echo(f"counted once: {path} is a second record of its run", err=True)
