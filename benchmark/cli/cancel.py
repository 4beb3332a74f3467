"""`noisybench cancel`: stops runs that are at work."""

from __future__ import annotations

from typing import Any

import click

from benchmark.cli.options import expand_grid, grid_options, names_grid


@click.command()
@grid_options
@click.argument("ids", nargs=-1)
def cancel(suite: str | None, ids: tuple[str, ...], **options: Any) -> None:
    """Stop the runs of SUITE, those that the beginnings of IDS name, or all in the results folder.

    Processes of this machine are stopped at once, those of other hosts see the request within some seconds. Runs that
    a `noisybench run` has queued are left too; it goes on with its others. A cancelled run leaves neither record nor
    failure: the next `noisybench run` goes on with it, from its checkpoint.

    \b
    noisybench cancel                  (whatever is at work or queued in results/)
    noisybench cancel quick
    noisybench cancel 3f2a 9b1c
    """
    from benchmark.cli.selection import is_suite, known_runs, matching
    from benchmark.runs.cancelling import cancel as carry_out
    from benchmark.store.claims import BEAT_SECONDS
    from benchmark.store.store import Store

    store = Store(options["results"])
    if suite is not None and not is_suite(suite):
        ids = (suite, *ids)
        suite = None
    wanted: set[str] | None = None
    if ids:
        known = known_runs(store)
        wanted = {matching(text, known, str(store.folder)) for text in ids}
    elif names_grid(suite, options):
        wanted = {job.spec.id for job in expand_grid(suite, options)[1]}
    done = carry_out(store, wanted)
    for holder in done.stopped:
        click.echo(f"{holder.run}  stopped (pid {holder.pid} of this machine)")
    for holder in done.asked:
        click.echo(f"{holder.run}  asked to stop (pid {holder.pid} of {holder.host or '?'})")
    if done.tasks:
        click.echo(f"{done.tasks} tasks taken off the queue of Slurm, or stopped there")
    if done.asked:
        click.echo(f"other hosts stop within {2 * BEAT_SECONDS:g} s; `noisybench status` shows them until then")
    if not done.stopped and not done.asked and not done.tasks:
        what = "nothing is at work" if wanted is None else "none of them is at work"
        click.echo(
            f"{what} in {store.folder}; a `noisybench run` that is still there leaves what it has queued",
            err=True,
        )
