"""`noisybench run`: expands a grid, carries out the runs that have no record, prints the table."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from benchmark.cli.executors import executor_of, preview, submit
from benchmark.cli.machine import machine_options
from benchmark.cli.options import Amount, expand_grid, expand_trials, grid_options, read_suite, say_what_takes_time
from benchmark.cli.place import Place, executor_options, place_of
from benchmark.cli.planned_grid import PlannedGrid
from benchmark.errors import UsageError

if TYPE_CHECKING:
    from benchmark.grid.job import Job


@click.command()
@grid_options
@machine_options
@executor_options
@click.option(
    "--timeout", type=Amount(0, min_open=True), help="Seconds after which a run is stopped and counts as failed."
)
@click.option(
    "--keep",
    type=click.Choice(["none", "predictions", "model"]),
    help="What stays besides the record; finished runs without it run again.",
)
@click.option(
    "--again",
    type=click.Choice(["failed", "all"]),
    help="Run ended runs again: `failed` those that did not end well, diverged and skipped ones too; `all` every one.",
)
@click.option("--max-failures", type=click.IntRange(1), metavar="N", help="Stop the grid when N of its runs failed.")
@click.option("--allow-unidentifiable", is_flag=True, help="Allow noise whose T is not diagonally dominant.")
@click.option(
    "--checkpoint-seconds", type=Amount(0), default=30.0, help="Least time between checkpoints.  [default: 30]"
)
@click.option("--dry-run", is_flag=True, help="Check everything, print the runs and their estimated cost; run nothing.")
@click.option("--no-table", is_flag=True, help="Do not print the table at the end.")
def run(suite: str | None, **options: Any) -> int:
    """Run SUITE (a name or a .toml file), or the grid that the options describe.

    Runs that have a record already are not run again. Failed ones are, unless they failed in code that has not changed
    since; see --again. A run that was lost, or for which there was no memory or disk, is tried three times. Several of
    these commands may work on one results folder. Ends with the table on stdout.

    Options of a plugin follow its name: gce:q=0.5,recipe.lr=0.01 (a method's own recipe), digits:subset=200,epochs=5,
    symmetric:0.2,0.4. A value that holds a comma, a bracket or a quote stands in quotes: npz:"a,b.npz",
    within '...' for the shell. Paths in a suite file begin in its folder.

    \b
    noisybench run quick
    noisybench run -d npz:cells.npz -b cnn -m ce -m gce:q=0.5 -n symmetric:0,0.2,0.4 --seeds 3 --epochs 12
    """
    grid = plan_grid(suite, options)
    if options["dry_run"]:
        _dry_run(grid)
        return 0
    if grid.todo and grid.submits_only:
        submit(grid)
        return 0
    states = carry_out(grid)
    if not options["no_table"]:
        from benchmark.cli.results import print_table

        print_table(grid.store, grid.jobs, grid.name)
    counts = Counter(states.values())
    summary = ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "nothing to run"
    _say(f"{summary}; records in {grid.store.folder / 'runs'}")
    if failed := counts["failed"] + grid.failed_before + grid.failed_trials:
        _say(f"{failed} run(s) failed: `noisybench status --results {grid.store.folder}` says why")
    if counts["cancelled"]:
        _say(f"{counts['cancelled']} run(s) were cancelled: the same command goes on with them")
    return 1 if failed or counts["cancelled"] else 0


def plan_grid(suite: str | None, options: dict[str, Any]) -> PlannedGrid:
    """Expands the grid, moves broken records away, says how many runs there are to carry out, and checks them.

    Trains the clean classifiers that noise is made from and carries out the trials of a suite that tunes, unless it
    is a dry run. Raises SuiteError where runs cannot be carried out.
    """
    say_what_takes_time("reading the grid")
    place = place_of(options, lambda: read_suite(suite, options))
    settings = {
        "device": place.device,
        "threads": options["threads"],
        "checkpoint_seconds": options["checkpoint_seconds"],
    }
    trials = expand_trials(suite, options, **settings)
    failed = 0
    if trials and not options["dry_run"]:
        tuning = _planned("tuning", trials, place, {**options, "no_table": True})
        if tuning.submits_only:
            raise UsageError("a suite that tunes waits for its trials; expected --wait with --executor slurm")
        failed = Counter(carry_out(tuning).values())["failed"] + tuning.failed_before
        trials = []
    grid, jobs = expand_grid(suite, options, **settings)
    return replace(_planned(grid.name, [*trials, *jobs], place, options), failed_trials=failed)


def _planned(name: str, jobs: list[Job], place: Place, options: dict[str, Any]) -> PlannedGrid:
    """What is to be done of `jobs`, under the name of their grid."""
    from benchmark.cli.progress import fetch_progress
    from benchmark.cli.results import check_table
    from benchmark.runs.driver import check
    from benchmark.runs.planning import plan
    from benchmark.runs.preflight import waiting
    from benchmark.store.store import Store

    store = Store(options["results"])
    if not options["dry_run"]:
        store.prepare()
    planned = plan(jobs, store, again=options["again"], move=not options["dry_run"])
    for (path, reason), target in planned.broken:
        _say(f"broken: {path} ({reason})" + (f"; moved to {target}, its runs run again" if target else ""))
    todo = len(planned.todo)
    for path in (path for paths in planned.lacking.values() for path in paths if path.exists()):
        _say(f"broken: {path} is damaged, or of an earlier version; its run runs again")
    lacking = f" ({len(planned.lacking)} of them for the files to keep)" if planned.lacking else ""
    done = len(jobs) - todo - len(planned.unchanged)
    _say(f"suite {name}: {len(jobs)} runs, {done} already done, {todo} to run{lacking}")
    if planned.unchanged:
        _say(
            f"{len(planned.unchanged)} runs failed in code that has not changed since, and are not run again: "
            "`noisybench status` says why they failed, --again failed runs them"
        )
    if planned.todo and not options["no_table"]:
        check_table(jobs)
    on_fetch = None if options["dry_run"] else fetch_progress
    check(planned.todo, store, on_fetch=on_fetch, say=_say, of=len(jobs))
    if not options["dry_run"] and waiting(planned.todo):
        jobs = [_with_classifier(job) for job in jobs]
        known = {job.spec.id for job in planned.todo}
        planned = plan(jobs, store, again=options["again"])
        check(
            [job for job in planned.todo if job.spec.id not in known],
            store,
            on_fetch=on_fetch,
            say=_say,
            of=len(jobs),
        )
    return PlannedGrid(
        name,
        jobs,
        planned.todo,
        planned.recorded,
        store,
        place,
        submits_only=place.executor == "slurm" and not options["wait"],
        timeout=options["timeout"],
        max_failures=options["max_failures"],
        failed_before=len(planned.unchanged),
    )


def _with_classifier(job: Job) -> Job:
    """`job` with its clean classifier, which is trained on this machine, whatever the device of the job."""
    from benchmark.runs.assemble import pick_device
    from benchmark.runs.clean_classifier import attach

    here = job.options.model_copy(update={"device": str(pick_device("auto"))})
    attached = attach(job.model_copy(update={"options": here}), say=lambda text: _say(f"classifier: {text}"))
    return attached.model_copy(update={"options": job.options})


def carry_out(grid: PlannedGrid) -> dict[str, str]:
    """Carries out what is to be done, with progress on stderr; returns run id -> state."""
    from benchmark.cli.progress import GridProgress
    from benchmark.runs import driver
    from benchmark.runs.order import ordered

    if not grid.todo:
        return {}
    jobs, executor = ordered(grid.todo, grid.store), executor_of(grid)
    with GridProgress(jobs) as progress:
        return driver.carry_out(jobs, grid.store, executor, max_failures=grid.max_failures, on_event=progress)


def _dry_run(grid: PlannedGrid) -> None:
    from benchmark.cli.progress import duration
    from benchmark.runs.cost import estimate_seconds
    from benchmark.runs.order import together
    from benchmark.runs.preflight import waiting

    seconds = estimate_seconds(grid.todo, grid.store)
    for job in grid.todo:
        known = seconds[job.spec.id]
        click.echo(f"{job.spec.id}  {job.label}  {'?' if known is None else duration(known)}")
    limit = grid.place.limit(grid.store)
    known_seconds = [value for value in seconds.values() if value is not None]
    total = duration(max(1.0, together(known_seconds, limit)))
    notes = [f"about {total} for {len(known_seconds)} runs with {limit} slot(s)"] if known_seconds else []
    if unknown := len(seconds) - len(known_seconds):
        notes.append(f"{unknown} runs of unknown cost (their data is not here yet, or cannot be read)")
    if without := len(waiting(grid.todo)):
        notes.append(f"{without} runs need a clean classifier that is not trained yet: id and cost may change")
    _say("; ".join(notes) or "nothing to run")
    if grid.todo and grid.place.executor == "slurm":
        click.echo(f"\n{preview(grid)}", nl=False)


def _say(text: str) -> None:
    click.echo(text, err=True)
