"""`noisybench merge`: the records of several machines in one results folder."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark.cli.options import UserPath, results_option


@click.command()
@click.argument("folders", nargs=-1, required=True, type=UserPath())
@results_option
def merge(folders: tuple[Path, ...], results: Path) -> int:
    """Add the records of FOLDERS, results folders or published ones, to the results folder.

    A run that two of them hold with the same content counts once. Where the contents differ, the first stays, the
    other is put into RESULTS/conflicts, which no command reads, and the exit code is 1. Nothing is removed from
    FOLDERS.
    """
    from benchmark.store.joining import join
    from benchmark.store.store import Store

    store = Store(results)
    store.prepare()
    joined = join(folders, store)
    click.echo(
        f"merged into {results}: {joined.new} new records, {joined.same} that were there, {joined.kept} kept files"
    )
    if joined.failed:
        click.echo(f"{joined.failed} failed run(s) left where they are: `noisybench run` carries them out again")
    for path in joined.aside:
        click.echo(f"differs: run {path.stem} is there with another result; this one is set aside as {path}")
    if joined.aside:
        click.echo("next: decide which of the two is right, and look what differs with `noisybench show`")
        return 1
    return 0
