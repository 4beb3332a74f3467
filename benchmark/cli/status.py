"""`noisybench status`: how far a grid is, and why runs failed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import click

from benchmark.cli.options import expand_grid, grid_options, names_grid


@click.command()
@grid_options
def status(suite: str | None, **options: Any) -> int:
    """Count the runs by state, and print why runs failed, diverged or were skipped."""
    from benchmark.cli.doctor import tell_uncounted
    from benchmark.store.store import Store

    store = Store(options["results"])
    contents, attempts = store.records(("state", "reason")), store.failures()
    failures = {record["id"]: record for record in attempts.records}
    if names_grid(suite, options):
        grid, jobs = expand_grid(suite, options)
        ids = {job.spec.id for job in jobs}
        states = {record["id"]: record["state"] for record in contents.records}
        states |= dict.fromkeys(failures, "failed")
        counts = Counter(states.get(run_id, "missing") for run_id in ids)
        failures = {run_id: record for run_id, record in failures.items() if run_id in ids}
        click.echo(f"suite {grid.name}: {len(ids)} runs")
    else:
        counts = Counter(record["state"] for record in contents.records)
        counts["failed"] += len(failures)
    if not counts.total():
        click.echo(f"there are no runs in {store.folder}; `noisybench run SUITE` makes some (--results DIR)", err=True)
    for state, count in sorted(counts.items()):
        if count:
            click.echo(f"{state:10} {count}")
    for record in contents.records:
        if record["state"] in ("diverged", "skipped"):
            click.echo(f"{record['id']}  {record['state']}: {record['reason']}")
    for run_id, record in sorted(failures.items()):
        error = record["error"]
        click.echo(f"{run_id}  failed: {error['class']}: {error['message']}  (log: {error['log']})")
    for read in (contents, attempts):
        tell_uncounted(store.folder, read)
    return 1 if failures or contents.broken or attempts.broken else 0
