"""`noisybench doctor`: checks a results folder and moves broken files to quarantine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.cli.options import results_option

if TYPE_CHECKING:
    from benchmark.store.store import Contents


@click.command()
@results_option
@click.option("--dry-run", is_flag=True, help="Only say what is wrong: move and remove nothing.")
def doctor(results: Path, dry_run: bool) -> int:
    """Read everything that is stored, and move broken records and kept files to RESULTS/quarantine.

    `noisybench run` makes the runs of broken records again, and `run --keep` broken predictions and weights. Damaged
    caches and checkpoints are removed, as are locks, claims and temporary files of processes that were killed. Exit
    code 1 where something was broken or could not be read.
    """
    from benchmark.errors import UsageError
    from benchmark.store import health
    from benchmark.store.atomic import remove
    from benchmark.store.store import Store

    if not results.is_dir():
        raise UsageError(f"there is no folder {results}; expected a results folder, such as --results results")
    store = Store(results)
    report = health.examine(store)
    click.echo(f"sound: {report.records} records, {report.failures} failures, {report.segments} segments")
    click.echo(f"sound: {report.kept} kept files, {report.caches} caches and checkpoints")
    for path in report.copies:
        click.echo(f"copy: {path} is a second record of its run, which counts once; delete the one you do not want")
    for path, reason in report.broken:
        target = None if dry_run else store.quarantine(path)
        click.echo(f"broken: {path} ({reason})" + (f"; moved to {target}" if target else ""))
    for path, reason in report.damaged_caches:
        if not dry_run:
            remove(path)
        done = "" if dry_run or path.exists() else "; thrown away, the next run makes it again"
        click.echo(f"broken: {path} ({reason}){done}")
    for message in report.unreadable:
        click.echo(f"not read: {message}")
    for path in report.abandoned:
        if not dry_run:
            remove(path)
        click.echo(f"{'left over' if dry_run or path.exists() else 'removed'}: {path}, of a process that was killed")
    return 1 if report.broken or report.damaged_caches or report.unreadable else 0


def tell_uncounted(folder: Path, contents: Contents) -> None:
    """Says on stderr which files of a folder do not count, and what to do about it."""
    for path, reason in contents.broken:
        click.echo(f"not counted: {path} ({reason}); `noisybench doctor --results {folder}` moves it aside", err=True)
    for path in contents.copies:
        click.echo(f"counted once: {path} is a second record of its run", err=True)
