"""`noisybench doctor`: checks the machine and a results folder, and moves broken files to quarantine."""

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
    """Check whether grids can run here, read everything that is stored, and say what mends what is wrong.

    Tried are the installation, torch and its devices, every plugin, and the disk of the results folder. Broken records
    and kept files are moved to RESULTS/quarantine: `noisybench run` makes the runs of broken records again, and `run
    --keep` broken predictions and weights. Damaged caches and checkpoints are removed, as are locks, claims and
    temporary files of processes that were killed. Exit code 1 where something was broken or could not be read.
    """
    from benchmark.errors import UsageError
    from benchmark.store import health
    from benchmark.store.atomic import remove
    from benchmark.store.store import Store

    if not results.is_dir():
        raise UsageError(f"there is no folder {results}; expected a results folder, such as --results results")
    store = Store(results)
    broken = _tell_machine(results, dry_run)
    click.echo("stored")
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
    return 1 if broken or report.broken or report.damaged_caches or report.unreadable else 0


def _tell_machine(results: Path, dry_run: bool) -> bool:
    """Prints how the machine and the disk are; whether something of it is broken."""
    from benchmark.checks.health import installation, place

    sections = {
        "installation": (installation.installation, installation.torch_and_devices),
        "plugins": (installation.plugins,),
        f"disk of {results}": (lambda: place.disk(results), *(() if dry_run else (lambda: place.probe(results),))),
    }
    broken = False
    for title, checks in sections.items():
        click.echo(title)
        for check in checks:
            for report in check():
                click.echo(f"  {report}")
                broken |= report.level == "broken"
    return broken


def tell_uncounted(folder: Path, contents: Contents) -> None:
    """Says on stderr which files of a folder do not count, and what to do about it."""
    for path, reason in contents.broken:
        click.echo(f"not counted: {path} ({reason}); `noisybench doctor --results {folder}` moves it aside", err=True)
    for path in contents.copies:
        click.echo(f"counted once: {path} is a second record of its run", err=True)
