"""`noisybench verify`: whether a published folder is whole and its tables follow from its records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from benchmark.cli.options import UserPath


@click.command()
@click.argument("folder", type=UserPath())
@click.option("--rerun", type=click.IntRange(1, 1000), metavar="N", help="Train N of its runs again and compare.")
@click.option("--rerun-seed", type=int, default=0, show_default=True, help="Chooses which runs.")
@click.option("--dataset", "-d", "datasets", multiple=True, help="Of --rerun: npz:FILE in place of the suite's.")
@click.option("--data-root", type=UserPath(file_okay=False), help="Of --rerun: folder of downloaded data sets.")
@click.option("--plugin", "plugins", multiple=True, type=UserPath(), help="Of --rerun: a plugin file that runs used.")
def verify(folder: Path, rerun: int | None, **options: Any) -> int:
    """Check FOLDER: checksums, every record, its metrics, and every table byte for byte. Exit code 1 where one fails.

    --rerun needs the data that the runs were trained on. On the same kind of processor, with the same libraries, a run
    must be repeated bit for bit; elsewhere within the tolerance that docs/publishing.md states.
    """
    from benchmark.cli.publish import make_table
    from benchmark.report.publishing.verification import verify as carry_out

    done = carry_out(folder, make_table)
    for note in done.notes:
        click.echo(f"note: {note}")
    for fault in done.faults:
        click.echo(f"fault: {fault}")
    if done.faults:
        click.echo(f"{folder}: {len(done.faults)} fault(s)")
        return 1
    click.echo(f"{folder}: {done.files} files and {done.records} records are sound")
    click.echo(f"made again with equal bytes: {', '.join(done.remade)}")
    return 0
