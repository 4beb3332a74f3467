"""`noisybench compact`: many small record files become few large ones."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark.cli.options import results_option


@click.command()
@results_option
def compact(results: Path) -> int:
    """Move the records of finished runs into segments, so that tables of many runs take seconds.

    No record is lost or changed: `table`, `status`, `show` and `run` see both kinds, and a compaction that was
    interrupted is continued by the next one.
    """
    from benchmark.store.compaction import compact as carry_out
    from benchmark.store.removal import take_out
    from benchmark.store.store import Store, run_id_of

    store = Store(results)
    outcome = carry_out(store, lambda count: click.echo(f"{count} records compacted", err=True))
    if outcome.differing:
        taken = take_out(store, {run_id_of(path) for path in outcome.differing})
        click.echo(f"{taken.compacted} earlier records of runs that ran again: moved to {taken.folder}", err=True)
        further = carry_out(store)
        outcome.compacted += further.compacted
        outcome.differing = further.differing
    for path in outcome.differing:
        click.echo(f"stays: {path}, as a segment holds another record of its run", err=True)
    for path, reason in outcome.broken:
        click.echo(f"stays: {path} ({reason}); `noisybench doctor --results {results}` moves it aside", err=True)
    click.echo(f"{outcome.compacted} records compacted; {len(store.segments())} segments in {results / 'segments'}")
    return 1 if outcome.broken or outcome.differing else 0
